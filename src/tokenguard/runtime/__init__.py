"""What answers the core's questions: drivers, key sources, the I/O thread, caches, logs."""
