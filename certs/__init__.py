"""X.509: an authority of our own and the certificates that TLS between the components needs."""
