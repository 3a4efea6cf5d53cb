"""Claims of generic ephemeral volumes: ephemeral-volume-controller."""
