"""The numbers, names and lists that an operator gives to rules. What has no default is given with the rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PROTECTED_PATHS: Final = (
    "/boot",
    "/etc",
    "/proc",
    "/sys",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/run/containerd",
    "/run/crio",
    "/run/docker.sock",
    "/var/run/containerd",
    "/var/run/crio",
    "/var/run/docker.sock",
)
"""Directories of a node that hold its configuration, its secrets, or the power over its containers."""

ANY: Final = "*"
"""The entry for all names that have none of their own."""


@dataclass(frozen=True)
class DefaultClass:
    """The class of claims for which nobody chose one: in these namespaces, with these labels; none means all."""

    class_name: str
    namespaces: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def applies(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether it is for such a claim."""
        named = not self.namespaces or namespace in self.namespaces
        return named and all(labels.get(key) == value for key, value in self.labels.items())


@dataclass(frozen=True)
class Policy:
    """What rules are told by whoever runs them."""

    protected_paths: tuple[str, ...] = PROTECTED_PATHS
    keep_annotations: bool = False
    """Whether deprecated annotations stay where they are copied from, for tools that report them as drift."""
    max_sizes: Mapping[str, str] = field(default_factory=dict)
    """Quantities by class."""
    min_sizes: Mapping[str, str] = field(default_factory=dict)
    """Quantities by class."""
    size_steps: Mapping[str, str] = field(default_factory=dict)
    """Quantities by driver."""
    default_classes: tuple[DefaultClass, ...] = ()
    """The first that applies counts."""
    access_modes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The modes that each driver has."""
    fs_types: Mapping[str, str] = field(default_factory=dict)
    """File system types by driver."""
    repointers: tuple[str, ...] = ()
    """Users who may hand over volumes in use."""
    waiting: tuple[str, ...] = ()
    """Provisioners whose classes wait for a consumer."""
    retaining: tuple[str, ...] = ()
    """Provisioners whose classes retain volumes."""
    expanding: tuple[str, ...] = ()
    """Provisioners whose classes allow expansion."""

    def of(self, table: Mapping[str, str], name: str) -> str | None:
        """The entry of a table for a name, or that for all."""
        return table.get(name, table.get(ANY))
