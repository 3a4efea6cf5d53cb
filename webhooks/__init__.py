"""Admission webhooks that normalize and validate volumes, claims and classes."""
