"""LocalIssuer and the pytest plugin, judged by PyJWT, cryptography and httpx."""
