"""For whom a growing claim waits, and FlexVolumes that grow: persistentvolume-expander-controller."""
