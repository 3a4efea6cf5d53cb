"""The Kubernetes API as the rest of Lading sees it: client, caches, queues, events, leases."""
