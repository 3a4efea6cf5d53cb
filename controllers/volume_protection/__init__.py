"""Volumes stay while they are Bound: persistentvolume-protection-controller."""
