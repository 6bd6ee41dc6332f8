"""What the `tokenguard` command does; `cli.py` only reads arguments and prints."""
