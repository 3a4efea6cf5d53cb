"""For whom a growing claim waits: persistentvolume-expander-controller."""
