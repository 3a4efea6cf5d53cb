"""The rules of storage, asked without a server."""
