"""Which credentials a user of a kubeconfig stands for: token, token file, password, exec plugin, auth provider.

In the order in which kubectl looks; a client certificate goes beside each.
"""

import base64
import os
from collections.abc import Mapping
from typing import Final

from kube.credentials import Credential, Credentials, Renewing, Static, basic, bearer, token_file
from kube.errors import ConfigError, CredentialsError
from kube.exec_plugin import ExecPlugin
from kube.kubeconfig import Context, Entry
from kube.official import Kubeconfig
from kube.tls import KeyPair
from model.meta import JSON

PROVIDER_SECONDS: Final = 60.0
"""How often an auth provider is asked; it knows when its token is about to expire."""

_EXEC_EXTENSION: Final = "client.authentication.k8s.io/exec"
_CLUSTER_KEYS: Final = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
)


def credentials_of(context: Context, kubeconfig: Kubeconfig, environ: Mapping[str, str]) -> Credentials:
    """The credentials of the context's user, not fetched yet.

    Raises:
        ConfigError: a setting is missing or malformed.
    """
    user = context.user
    path, token = user.file("tokenFile"), user.text("token")
    if path is not None:
        return token_file(path)
    if token:
        return Static(Credential(bearer(token, f"{user.where}, token")))
    if user.text("username"):
        return Static(Credential(basic(user.text("username"), user.text("password"))))
    if user.section("exec").settings:
        return Renewing(_exec_plugin(user.section("exec"), context.cluster, environ).fetch)
    if user.section("auth-provider").settings:
        return Renewing(lambda: _ask_provider(context, kubeconfig))
    return Static(Credential())


def key_pair_of(user: Entry) -> KeyPair | None:
    """The user's client certificate and key.

    Raises:
        ConfigError: one without the other.
    """
    cert, key = user.pem("client-certificate"), user.pem("client-key")
    if (cert is None) != (key is None):
        raise ConfigError(f"{user.where}: client-certificate and client-key go together, one is missing")
    return KeyPair(cert, key) if cert and key else None


def impersonation_of(user: Entry) -> tuple[tuple[str, str], ...]:
    """The headers by which we act as somebody else, where the kubeconfig says so.

    Raises:
        ConfigError: a setting is malformed.
    """
    name, uid, extra = user.text("as"), user.text("as-uid"), user.section("as-user-extra")
    if not name:
        return ()
    return (
        ("Impersonate-User", name),
        *((("Impersonate-Uid", uid),) if uid else ()),
        *(("Impersonate-Group", group) for group in user.texts("as-groups")),
        *((f"Impersonate-Extra-{key}", value) for key in extra.settings for value in extra.texts(key)),
    )


def _exec_plugin(plugin: Entry, cluster: Entry, environ: Mapping[str, str]) -> ExecPlugin:
    command = plugin.text("command")
    if not command:
        raise ConfigError(f"{plugin.where}: command is missing")
    if plugin.text("interactiveMode") == "Always":
        raise ConfigError(f"{plugin.where}: interactiveMode is Always, but nobody is there to ask")
    return ExecPlugin(
        plugin.text("apiVersion"),
        # A path starts at the kubeconfig's folder, a bare name is looked for in PATH.
        str(plugin.file("command")) if os.sep in command else command,
        plugin.texts("args"),
        {**environ, **_variables(plugin)},
        plugin.text("installHint"),
        _cluster_info(cluster) if plugin.flag("provideClusterInfo") else None,
    )


def _variables(plugin: Entry) -> dict[str, str]:
    try:
        return {str(each["name"]): str(each["value"]) for each in plugin.settings.get("env") or ()}
    except (KeyError, TypeError):
        raise ConfigError(f"{plugin.where}: env must be a list of name and value") from None


def _cluster_info(cluster: Entry) -> JSON:
    """spec.cluster of the ExecCredential that the plugin gets. Reads the authority's file."""
    info = {key: cluster.settings[key] for key in _CLUSTER_KEYS if cluster.settings.get(key)}
    authority = cluster.pem("certificate-authority")
    if authority is not None:
        try:
            info["certificate-authority-data"] = base64.b64encode(authority.read()).decode()
        except OSError as error:
            raise ConfigError(f"{cluster.where}: certificate-authority: {error}") from None
    for extension in cluster.settings.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == _EXEC_EXTENSION:
            info["config"] = extension.get("extension")
    return info


async def _ask_provider(context: Context, kubeconfig: Kubeconfig) -> Credential:
    header = await kubeconfig.provider_header(context.name)
    if not header:
        raise CredentialsError(f"{context.user.where}: the auth-provider gives no token; oidc and gcp are known")
    return Credential(header, refresh_seconds=PROVIDER_SECONDS)
