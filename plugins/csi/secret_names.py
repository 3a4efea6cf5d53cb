"""Which Secret a class names for which call: pure.

Rule: the keys `csi.storage.k8s.io/<operation>-secret-name` and `-namespace` of classes, and the templates in their
values, as the external provisioner and the external snapshotter read them.
"""

import re
from collections.abc import Mapping
from typing import Final

from model.secrets import SecretReference
from plugins.csi.parameters import PREFIX
from plugins.errors import Failed

_TOKEN: Final = re.compile(r"\$\{([^}]*)\}|\$")
_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE: Final = re.compile(_LABEL)
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAME_LENGTH: Final = 253


def named(
    parameters: Mapping[str, str],
    operation: str,
    in_namespace: Mapping[str, str],
    in_name: Mapping[str, str],
) -> SecretReference | None:
    """The Secret for an operation; None where the class names none.

    Args:
        parameters: the class's.
        operation: `provisioner`, `node-stage` …: where it has no keys of its own, those without an operation count.
        in_namespace: the templates that the namespace may have, without `${}`, and what stands for each.
        in_name: those that the name may have.

    Raises:
        Failed: one of the two is missing or empty, a template is unknown, or the outcome is no name.
    """
    for prefix in (f"{PREFIX}{operation}-secret", f"{PREFIX}secret"):
        keys = (f"{prefix}-namespace", f"{prefix}-name")
        if not any(key in parameters for key in keys):
            continue
        for key in keys:
            if not parameters.get(key):
                raise Failed(f"parameter {key} is missing or empty: name and namespace of a secret go together")
        namespace = _filled(keys[0], parameters[keys[0]], in_namespace)
        name = _filled(keys[1], parameters[keys[1]], in_name)
        if not _NAMESPACE.fullmatch(namespace):
            raise Failed(f"parameter {keys[0]}: {namespace!r} is no namespace")
        if not _NAME.fullmatch(name) or len(name) > _NAME_LENGTH:
            raise Failed(f"parameter {keys[1]}: {name!r} is no name of a secret")
        return SecretReference(namespace, name)
    return None


def _filled(key: str, template: str, known: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        token = found.group(1)
        if token is None or token not in known:
            allowed = ", ".join(f"${{{each}}}" for each in sorted(known))
            raise Failed(f"parameter {key}: {found.group(0)!r} is not known here; there are {allowed}")
        return known[token]

    return _TOKEN.sub(value, template)
