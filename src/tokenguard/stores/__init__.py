"""Where revocations and used proofs are kept."""
