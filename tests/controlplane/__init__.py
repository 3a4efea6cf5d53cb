"""A real control plane for the tests: etcd and the servers of one Kubernetes release as processes, no containers."""
