"""A class's parameters: those that are Kubernetes' own, and those that are the driver's. Pure.

Rule: the external provisioner's `csi.storage.k8s.io/` parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from plugins.errors import Failed

PREFIX: Final = "csi.storage.k8s.io/"
_OPERATIONS: Final = (
    "provisioner",
    "controller-publish",
    "node-stage",
    "node-publish",
    "controller-expand",
    "node-expand",
    "controller-modify",
)
_SECRETS: Final = frozenset(
    f"{PREFIX}{operation}secret-{part}"
    for operation in ("", *(f"{each}-" for each in _OPERATIONS))
    for part in ("name", "namespace")
)


@dataclass(frozen=True)
class Parameters:
    """What a class says."""

    driver: Mapping[str, str]
    """What the driver is given."""
    fs_type: str
    secrets: Mapping[str, str]
    """The keys that name secrets, with their templates."""


def read(given: Mapping[str, str]) -> Parameters:
    """Tell them apart.

    Raises:
        Failed: a key with Kubernetes' prefix is unknown, or the file system is named twice.
    """
    own = {key: value for key, value in given.items() if key.startswith(PREFIX)}
    unknown = own.keys() - _SECRETS - {f"{PREFIX}fstype"}
    if unknown:
        raise Failed(f"parameters {', '.join(map(repr, sorted(unknown)))} are unknown: misspelt?")
    old = [key for key in given if key.lower() == "fstype"]
    named = [own[key] for key in (f"{PREFIX}fstype",) if key in own] + [given[key] for key in old]
    if len(named) > 1:
        raise Failed(f"the file system is named more than once: {PREFIX}fstype and {', '.join(old)}")
    driver = {key: value for key, value in given.items() if key not in own and key not in old}
    secrets = {key: value for key, value in own.items() if key in _SECRETS}
    return Parameters(driver, named[0] if named else "", secrets)
