"""What can go wrong when manifests are generated."""


class DeployError(ValueError):
    """What is asked for would not work in a cluster; the message says why and what to give instead."""
