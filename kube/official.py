"""The official client, for what it does well: merging kubeconfigs, in-cluster discovery, auth providers.

Its import takes a second and 50 MiB, so it happens when a configuration is loaded, off the event loop. Its error texts
quote whole entries, secrets included; none of them leaves this file.
"""

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from kube.errors import ConfigError, CredentialsError
from model.meta import JSON

_SECTIONS = ("clusters", "users", "contexts")


class Kubeconfig:
    """Kubeconfig files merged into one. Reads files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises ConfigError: a file can not be read or is no kubeconfig."""
        self.shown = ", ".join(str(path) for path in paths)
        self._document, self.current_context = _merge(paths, self.shown)

    def entries(self, plural: str) -> Iterator[tuple[Path, str, object]]:
        """File, name and settings of each of the `clusters`, `users` or `contexts`."""
        for node in self._document.value[plural]:
            yield Path(node.path), str(node.value["name"]), node.value.get(plural.removesuffix("s"))

    async def provider_header(self, context: str) -> str | None:
        """The Authorization header that the context's auth provider (OpenID, GCP) gives.

        A refresh token that it gets anew lives in memory only.

        Raises:
            CredentialsError: the provider fails.
        """
        configuration = _aio("client").Configuration()
        try:
            loader = _aio("config.kube_config").KubeConfigLoader(self._document, active_context=context)
            await loader.load_and_set(configuration)
        except Exception as error:  # noqa: BLE001 - whatever it meets (network, JSON, settings) comes through as it is
            told = str(error) if str(error).startswith("oidc: ") else type(error).__name__
            raise CredentialsError(f"{self.shown}: auth-provider of context {context!r}: {told}") from None
        header: str | None = configuration.api_key.get("BearerToken")
        return header


def in_cluster_server(environ: Mapping[str, str], token: Path, ca: Path) -> str:
    """The API server's URL as a pod knows it. Reads files.

    Raises:
        ConfigError: the environment or the service account's files are incomplete.
    """
    configuration = _aio("client").Configuration()
    loader = _aio("config.incluster_config").InClusterConfigLoader(str(token), str(ca), environ=environ)
    try:
        loader.load_and_set(configuration)
    except (_aio("config").ConfigException, OSError) as error:
        raise ConfigError(f"in-cluster configuration, {token.parent}: {error}") from None
    return str(configuration.host)


def _merge(paths: Sequence[Path], shown: str) -> tuple[Any, str]:
    """The merged document, and the current context: the first file to name one wins."""
    try:
        merger = _aio("config.kube_config").KubeConfigMerger(os.pathsep.join(str(path.absolute()) for path in paths))
        _check(merger.config)
        documents: Iterator[JSON] = iter(merger.config_files.values())
        named = (document.get("current-context") for document in documents)
        return merger.config, next((str(name) for name in named if name), "")
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{shown}{line}: not YAML: {error.problem}") from None
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None
    except (AttributeError, LookupError, TypeError, ValueError, yaml.YAMLError):
        raise ConfigError(f"{shown}: not a kubeconfig (lists of named clusters, users and contexts)") from None


def _check(document: Any) -> None:
    """Raise one of the errors of a wrong shape, if it has one."""
    for plural in _SECTIONS:
        for node in document.value[plural]:
            if not isinstance(node.value["name"], str):
                raise TypeError(plural)


def _aio(module: str) -> Any:
    return importlib.import_module(f"kubernetes.aio.{module}")
