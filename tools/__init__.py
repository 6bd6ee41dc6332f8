"""What `make check` and the test run use to hold the house to its rules; not part of the package."""
