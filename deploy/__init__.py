"""What registers Lading with a cluster, generated from the code's own tables, so that both always agree."""
