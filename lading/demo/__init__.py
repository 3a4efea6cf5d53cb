"""`lading demo`: the whole storage path in one process, and a story whose every outcome is checked."""
