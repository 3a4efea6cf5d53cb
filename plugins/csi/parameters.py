"""A class's parameters: those that are Kubernetes' own, and those that are the driver's. Pure.

Rule: the external provisioner's `csi.storage.k8s.io/` parameters.
"""

from collections.abc import Collection, Mapping
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
_OLD_SECRETS: Final = {
    f"csi{spelt}Secret{part}": f"{PREFIX}{operation}-secret-{part.lower()}"
    for spelt, operation in (
        ("Provisioner", "provisioner"),
        ("ControllerPublish", "controller-publish"),
        ("NodeStage", "node-stage"),
        ("NodePublish", "node-publish"),
    )
    for part in ("Name", "Namespace")
}
"""The spellings before there was a prefix, which are still understood."""


@dataclass(frozen=True)
class Parameters:
    """What a class says."""

    driver: Mapping[str, str]
    """What the driver is given."""
    fs_type: str
    secrets: Mapping[str, str]
    """The keys that name secrets, with their templates; in the spelling of today."""


def told_names(claim: str, namespace: str, volume: str) -> dict[str, str]:
    """What a driver is told beside its own parameters where it is to know for whom it works."""
    return {f"{PREFIX}pvc/name": claim, f"{PREFIX}pvc/namespace": namespace, f"{PREFIX}pv/name": volume}


def check(given: Mapping[str, str], known: Collection[str]) -> None:
    """Raises Failed: a key with Kubernetes' prefix is none of those that are known."""
    unknown = sorted(key for key in given if key.startswith(PREFIX) and key not in known)
    if unknown:
        raise Failed(f"parameters {', '.join(map(repr, unknown))} are unknown: misspelt?")


def read(given: Mapping[str, str]) -> Parameters:
    """Tell them apart.

    Raises:
        Failed: a key with Kubernetes' prefix is unknown, or the file system or a secret is named twice.
    """
    check(given, {*_SECRETS, f"{PREFIX}fstype"})
    own = {key: value for key, value in given.items() if key.startswith(PREFIX)}
    old = [key for key in given if key.lower() == "fstype"]
    named = [own[key] for key in (f"{PREFIX}fstype",) if key in own] + [given[key] for key in old]
    if len(named) > 1:
        raise Failed(f"the file system is named more than once: {PREFIX}fstype and {', '.join(old)}")
    others = {*own, *old, *_OLD_SECRETS}
    driver = {key: value for key, value in given.items() if key not in others}
    return Parameters(driver, named[0] if named else "", _secrets(given))


def _secrets(given: Mapping[str, str]) -> dict[str, str]:
    twice = sorted(old for old, new in _OLD_SECRETS.items() if old in given and new in given)
    if twice:
        raise Failed(f"secrets are named twice: by {', '.join(twice)}, and by {PREFIX} keys: leave the former out")
    old = {new: given[old] for old, new in _OLD_SECRETS.items() if old in given}
    return old | {key: value for key, value in given.items() if key in _SECRETS}
