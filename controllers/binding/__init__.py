"""Binds claims and volumes, releases and reclaims: kube-controller-manager's persistentvolume-binder-controller."""
