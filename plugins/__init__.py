"""Volume plugins: what makes, deletes, attaches and mounts storage."""
