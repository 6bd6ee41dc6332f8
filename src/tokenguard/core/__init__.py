"""What is checked, and in which order: pure functions and frozen data, without clock, socket, lock or framework."""
