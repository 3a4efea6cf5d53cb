"""KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), as far as the sandbox's scheduler heeds it.

What says something of an extender is read strictly, as kube-scheduler does; plugins and the rest are not looked at.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from model.meta import JSON

API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
DEFAULT_TIMEOUT: Final = 5.0
DEFAULT_NAME: Final = "default-scheduler"

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_RESOURCE: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


class ConfigurationError(ValueError):
    """The configuration can not be used; the message names the field."""


class _Strict(msgspec.Struct, frozen=True, gc=False, rename="camel", forbid_unknown_fields=True):
    pass


class ManagedResource(_Strict, frozen=True, gc=False):
    """An extended resource that an extender manages."""

    name: str
    ignored_by_scheduler: bool = False


class Tls(_Strict, frozen=True, gc=False):
    """How an extender is trusted and who is presented to it. Data is base64 and wins over files."""

    insecure: bool = False
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    ca_file: str = ""
    cert_data: str = ""
    key_data: str = ""
    ca_data: str = ""


class _Extender(_Strict, frozen=True, gc=False):
    url_prefix: str
    filter_verb: str = ""
    prioritize_verb: str = ""
    bind_verb: str = ""
    preempt_verb: str = ""
    weight: int = 0
    enable_https: bool = msgspec.field(name="enableHTTPS", default=False)
    tls_config: Tls | None = None
    http_timeout: str = "0s"
    node_cache_capable: bool = False
    managed_resources: tuple[ManagedResource, ...] = ()
    ignorable: bool = False


class _Profile(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    scheduler_name: str = DEFAULT_NAME


class _Configuration(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    api_version: str = API_VERSION
    kind: str = "KubeSchedulerConfiguration"
    profiles: tuple[_Profile, ...] = (_Profile(),)
    extenders: tuple[_Extender, ...] = ()


@dataclass(frozen=True)
class ExtenderSettings:
    """One extender."""

    url: str
    filter_verb: str = ""
    prioritize_verb: str = ""
    bind_verb: str = ""
    preempt_verb: str = ""
    weight: int = 0
    https: bool = False
    tls: Tls = field(default_factory=Tls)
    timeout_seconds: float = DEFAULT_TIMEOUT
    node_cache_capable: bool = False
    managed: frozenset[str] = frozenset()
    ignorable: bool = False


@dataclass(frozen=True)
class Configuration:
    """What the scheduler runs by. Extenders are in the order of calls: those that may fail come last."""

    names: frozenset[str]
    extenders: tuple[ExtenderSettings, ...]
    ignored_resources: frozenset[str]


def read_configuration(value: JSON) -> Configuration:
    """The configuration.

    Raises:
        ConfigurationError: it is of another kind, or says what can not be.
    """
    try:
        read = msgspec.convert(value, _Configuration)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"KubeSchedulerConfiguration: {error}") from error
    if read.api_version != API_VERSION or read.kind != "KubeSchedulerConfiguration":
        raise ConfigurationError(
            f"expected a KubeSchedulerConfiguration of {API_VERSION}, got {read.kind} of {read.api_version}"
        )
    _check(read)
    extenders = [_settings(f"extenders[{index}]", each) for index, each in enumerate(read.extenders)]
    resources = [resource for each in read.extenders for resource in each.managed_resources]
    return Configuration(
        frozenset(each.scheduler_name for each in read.profiles),
        tuple(sorted(extenders, key=lambda each: each.ignorable)),
        frozenset(each.name for each in resources if each.ignored_by_scheduler),
    )


def seconds(duration: str, path: str) -> float:
    """A duration as Go writes it: 60s, 1m30s, 0.5s, 100ms.

    Raises:
        ConfigurationError: not one, or a negative one.
    """
    parts = _PART.findall(duration)
    if duration == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ConfigurationError(f"{path}: {duration!r} is no duration: expected one like 60s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def read_data(text: str, path: str) -> bytes:
    """The bytes behind base64.

    Raises:
        ConfigurationError: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ConfigurationError(f"{path}: not base64: {error}") from error


def _check(read: _Configuration) -> None:
    if sum(bool(each.bind_verb) for each in read.extenders) > 1:
        raise ConfigurationError("extenders: found more than one extender with a bindVerb: at most one may bind")
    if not read.profiles:
        raise ConfigurationError("profiles: at least one is required")
    managed = [resource.name for each in read.extenders for resource in each.managed_resources]
    for name in managed:
        if _RESOURCE.fullmatch(name) is None or name.partition("/")[0].endswith("kubernetes.io"):
            raise ConfigurationError(f"managedResources: {name!r} is no extended resource, like example.com/gpu")
        if managed.count(name) > 1:
            raise ConfigurationError(f"managedResources: {name!r} is managed twice")


def _settings(path: str, read: _Extender) -> ExtenderSettings:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", read.url_prefix):
        raise ConfigurationError(f"{path}.urlPrefix: {read.url_prefix!r} is no http or https URL")
    if read.prioritize_verb and read.weight <= 0:
        raise ConfigurationError(f"{path}.weight: must have a positive weight applied to it, as prioritizeVerb is set")
    tls = read.tls_config or Tls()
    if tls.insecure and (tls.ca_file or tls.ca_data):
        raise ConfigurationError(f"{path}.tlsConfig: insecure and a CA do not go together")
    if bool(tls.cert_file or tls.cert_data) != bool(tls.key_file or tls.key_data):
        raise ConfigurationError(f"{path}.tlsConfig: a certificate needs its key, and a key its certificate")
    for name, data in (("caData", tls.ca_data), ("certData", tls.cert_data), ("keyData", tls.key_data)):
        read_data(data, f"{path}.tlsConfig.{name}")
    return ExtenderSettings(
        url=read.url_prefix.rstrip("/"),
        filter_verb=read.filter_verb,
        prioritize_verb=read.prioritize_verb,
        bind_verb=read.bind_verb,
        preempt_verb=read.preempt_verb,
        weight=read.weight,
        https=read.enable_https,
        tls=tls,
        timeout_seconds=seconds(read.http_timeout, f"{path}.httpTimeout") or DEFAULT_TIMEOUT,
        node_cache_capable=read.node_cache_capable,
        managed=frozenset(each.name for each in read.managed_resources),
        ignorable=read.ignorable,
    )
