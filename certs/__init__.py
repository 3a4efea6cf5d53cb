"""X.509: an authority of our own, serving and client certificates, their rotation, keeping and injection."""
