"""What every HTTP(S) service of Lading needs once: listening, TLS, limits, error answers, health, metrics, draining.

Knows nothing of Kubernetes or storage.
"""
