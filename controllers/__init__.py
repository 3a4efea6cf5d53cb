"""Controllers that bind claims and volumes and provision storage."""
