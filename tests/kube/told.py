"""A handler of a cache that writes down what it is told."""


class Log:
    """A handler that writes down what it is told."""

    def __init__(self):
        self.lines = []

    def __call__(self, old, new):
        self.lines.append((_short(old), _short(new)))


def _short(obj):
    return f"{obj.name}@{obj.metadata.resource_version}" if obj else None
