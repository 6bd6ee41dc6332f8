"""Where revocations come from, beside our own operators: what issuers tell us."""
