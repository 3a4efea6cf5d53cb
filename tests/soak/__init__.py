"""What runs for a long time, and only when asked for: `make soak`."""
