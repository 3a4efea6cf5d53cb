"""Which class a claim without one gets.

Rule: the DefaultStorageClass admission plugin: of several defaults the newest, then the first by name.
"""

from collections.abc import Iterable

from model.names import BETA_DEFAULT_CLASS, DEFAULT_CLASS
from model.volumes import StorageClass


def is_default(storage_class: StorageClass) -> bool:
    """Whether either annotation, the current or the deprecated one, makes it a default."""
    annotations = storage_class.annotations
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(BETA_DEFAULT_CLASS))


def default_class(classes: Iterable[StorageClass]) -> StorageClass | None:
    """The default class in force; one that has no creation time yet is about to be the newest."""
    marked = [each for each in classes if is_default(each)]
    newest = max((_created(each) for each in marked), default=None)
    return min((each for each in marked if _created(each) == newest), key=lambda each: each.name, default=None)


def _created(storage_class: StorageClass) -> str:
    # RFC 3339 in UTC, as the server writes it, sorts as text; "Z" is behind every year.
    return storage_class.metadata.creation_timestamp or "Z"
