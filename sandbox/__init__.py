"""The embedded API server, for laptops, tests and the demo, and the least scheduler beside it."""
