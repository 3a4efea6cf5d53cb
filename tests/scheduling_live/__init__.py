"""Scheduling with volumes on a real control plane: kube-apiserver holds the state, kube-scheduler asks the extender."""
