"""Where keys come from and what is remembered: over real HTTP, with the caches' clock in the test's hand."""
