"""Gives volumes the attributes of the class that their claims ask for: csi-modifier."""
