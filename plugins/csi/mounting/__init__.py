"""CSI volumes for the pods of a node: the kubelet's half, with its directories, files and calls."""
