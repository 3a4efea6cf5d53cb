"""Claims stay while pods use them: persistentvolumeclaim-protection-controller."""
