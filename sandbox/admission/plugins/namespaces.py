"""NamespaceLifecycle: nothing new in a namespace that is missing or going; some namespaces stay for ever."""

from typing import Final

from sandbox.admission.plugins.refusal import refused
from sandbox.attributes import Attributes, Operation
from sandbox.errors import not_found
from sandbox.kinds import NAMESPACE
from sandbox.store import Store

IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public"})


def lifecycle(store: Store, request: Attributes) -> None:
    """Refuse what the namespace's life does not allow.

    Raises:
        ApiError: 403 for an immortal or a terminating one, 404 for one that is not there.
    """
    if request.kind.stored_resource == "namespaces":
        if request.operation is Operation.DELETE and request.name in IMMORTAL:
            raise refused(request, "this namespace may not be deleted")
    elif request.namespace and request.operation is Operation.CREATE:
        _check_accepts(store, request)


def _check_accepts(store: Store, request: Attributes) -> None:
    name = request.namespace
    record = store.get("namespaces", ("", name))
    if record is None:
        raise not_found(NAMESPACE, name)
    if (record.value.get("status") or {}).get("phase") == "Terminating":
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        error = refused(request, f"unable to create new content in namespace {name} because it is being terminated")
        error.details["causes"] = [cause]
        raise error
