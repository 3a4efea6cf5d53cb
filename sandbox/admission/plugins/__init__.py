"""The plugins that are built into the server, in its order. Each is pure: the store is only read.

Left out of those a real server runs by default: LimitRanger, ResourceQuota, ServiceAccount, TaintNodesByCondition,
RuntimeClass, DefaultIngressClass and what concerns certificates; docs/sandbox.md says so.
"""

from collections.abc import Callable
from typing import Final

from model.meta import JSON
from sandbox.admission.plugins import namespaces, pods, storage
from sandbox.attributes import Attributes
from sandbox.store import Store

Changes = Callable[[Store, Attributes, JSON], JSON]
"""From the request and its object to the object wanted; what it is given stays as it is."""
Refuses = Callable[[Store, Attributes], None]

_FIRST: Final[tuple[Refuses, ...]] = (namespaces.lifecycle,)
"""They only refuse, and do so before anything is changed."""
_MUTATING: Final[tuple[Changes, ...]] = (
    pods.priority,
    pods.default_toleration_seconds,
    storage.default_storage_class,
    storage.storage_object_in_use_protection,
    pods.topology_labels,
)
_VALIDATING: Final[tuple[Refuses, ...]] = (pods.only_default_priority, storage.claim_resize)


def mutate(store: Store, request: Attributes) -> Attributes:
    """The request after the plugins that may change it.

    Raises:
        ApiError: one refuses.
    """
    for refuse in _FIRST:
        refuse(store, request)
    obj = request.obj
    if obj is None:
        return request
    for change in _MUTATING:
        obj = change(store, request, obj)
    return request.with_object(obj)


def validate(store: Store, request: Attributes) -> None:
    """Ask the plugins that may only refuse.

    Raises:
        ApiError: one refuses.
    """
    for refuse in _VALIDATING:
        refuse(store, request)
