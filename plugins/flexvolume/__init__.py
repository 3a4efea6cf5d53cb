"""FlexVolume: volume drivers as executables that answer in JSON, found in a directory of the node.

A driver runs with our rights. So the directory is none unless the operator names one, others must not be able to write
to what is run, and a list can say which drivers are wanted at all. Rule: the FlexVolume contract of Kubernetes.
"""
