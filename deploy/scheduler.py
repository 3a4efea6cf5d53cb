"""The KubeSchedulerConfiguration that makes kube-scheduler ask Lading's extender.

https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/ says what each field means.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.errors import DeployError
from deploy.rbac import Mode
from extender.bind import BindLimits
from model.meta import JSON

VERBS: Final = ("filter", "prioritize", "preempt", "bind")
"""What our extender answers, as the configuration names it: announcing more would fail every pod."""
REPLACED: Final = ("VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone")
"""The scheduler's own plugins that the extender stands in for in *instead* mode."""
TIMEOUT_SECONDS: Final = 60
"""How long the scheduler waits for an answer, the same for every verb; binding waits for volumes to be made."""


@dataclass(frozen=True)
class Trust:
    """Whom the scheduler trusts at the extender and how it shows who it is: files of its host, or their content."""

    ca: Path | bytes | None = None
    cert: Path | bytes | None = None
    key: Path | bytes | None = None

    def fields(self) -> JSON:
        """As `tlsConfig`: `caFile` for a path, `caData` for content."""
        given = {"ca": self.ca, "cert": self.cert, "key": self.key}
        return dict(_field(name, value) for name, value in given.items() if value is not None)


def configuration(
    mode: Mode,
    url: str,
    trust: Trust = Trust(),
    *,
    kubeconfig: Path | None = None,
    timeout_seconds: int = TIMEOUT_SECONDS,
    scheduler_name: str = "default-scheduler",
) -> JSON:
    """A configuration for the file of kube-scheduler's --config.

    Raises:
        DeployError: a URL that the scheduler can not call, a key without its certificate, or a timeout that cuts off
            binding.
    """
    profile: JSON = {"schedulerName": scheduler_name}
    if mode is Mode.INSTEAD:
        # At multiPoint: switched off at some extension points only, the others fail for what those would have noted.
        profile["plugins"] = {"multiPoint": {"disabled": [{"name": name} for name in REPLACED]}}
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        **({"clientConnection": {"kubeconfig": str(kubeconfig)}} if kubeconfig else {}),
        # All of them: of a sample that the extender turns down as a whole, the pod would stay pending.
        "percentageOfNodesToScore": 100,
        "profiles": [profile],
        "extenders": [_extender(mode, url, trust, timeout_seconds)],
    }


def _extender(mode: Mode, url: str, trust: Trust, timeout_seconds: int) -> JSON:
    https = _is_https(url)
    _check(trust, https=https)
    if timeout_seconds <= BindLimits().answer:
        raise DeployError(
            f"a timeout of {timeout_seconds} s cuts off binding, which answers within {BindLimits().answer:g} s: "
            f"give {TIMEOUT_SECONDS}"
        )
    return {
        "urlPrefix": url,
        **{f"{verb}Verb": verb for verb in VERBS if _is_wanted(verb, mode)},
        "weight": 1,
        "enableHTTPS": https,
        **({"tlsConfig": trust.fields()} if https else {}),
        "httpTimeout": f"{timeout_seconds}s",
        "nodeCacheCapable": True,
        # An error must not pass for "every node fits", nor be followed by a binding without volumes.
        "ignorable": False,
    }


def _is_wanted(verb: str, mode: Mode) -> bool:
    """Beside the scheduler's own plugins these write, and the extender only filters and scores."""
    return mode is Mode.INSTEAD or verb in ("filter", "prioritize")


def _is_https(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise DeployError(f"{url!r} is no URL of an extender: expected https://HOST:PORT")
    return parts.scheme == "https"


def _check(trust: Trust, *, https: bool) -> None:
    if not https and trust != Trust():
        raise DeployError("an extender at an http:// URL takes no certificates: give an https:// URL")
    if https and trust.ca is None:
        raise DeployError("without an authority to trust, the scheduler would not verify the extender's certificate")
    if (trust.cert is None) != (trust.key is None):
        raise DeployError("a client certificate and its key go together: give both or neither")


def _field(name: str, value: Path | bytes) -> tuple[str, str]:
    if isinstance(value, bytes):
        return f"{name}Data", base64.b64encode(value).decode()
    return f"{name}File", str(value)
