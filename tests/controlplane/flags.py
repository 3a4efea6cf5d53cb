"""The command lines of the servers, for a cluster whose nodes are objects without kubelets.

https://kubernetes.io/docs/reference/command-line-tools-reference/ and https://etcd.io/docs/ say what each flag does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.controlplane.credentials import Pki
from tests.controlplane.ports import LOOPBACK

# Nobody makes service accounts unless a controller manager runs, and nobody would ever take the taint off a new node.
_NO_ADMISSION: Final = "ServiceAccount,TaintNodesByCondition"

CONTROLLERS: Final = "*,-node-lifecycle-controller,-taint-eviction-controller"
"""All that are on by default, but the two that act on nodes whose kubelet is silent, which here all are."""


@dataclass(frozen=True)
class Ports:
    """Where the servers listen, on loopback."""

    etcd_client: int
    etcd_peer: int
    apiserver: int

    @property
    def etcd_url(self) -> str:
        """Plain HTTP: etcd is spoken to from this machine alone."""
        return f"http://{LOOPBACK}:{self.etcd_client}"

    @property
    def apiserver_url(self) -> str:
        """Without a trailing slash."""
        return f"https://{LOOPBACK}:{self.apiserver}"


def etcd(data: Path, ports: Ports, *, durable: bool) -> list[str]:
    """One member. Unless durable, a crash of the machine may lose writes, and writes do not wait for the disk."""
    peer = f"http://{LOOPBACK}:{ports.etcd_peer}"
    return [
        "--name=controlplane",
        f"--data-dir={data}",
        f"--listen-client-urls={ports.etcd_url}",
        f"--advertise-client-urls={ports.etcd_url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=controlplane={peer}",
        f"--unsafe-no-fsync={'false' if durable else 'true'}",
        "--socket-reuse-port=true",
        "--log-level=warn",
    ]


def apiserver(pki: Pki, ports: Ports) -> list[str]:
    """RBAC, and users by certificate, by the administrator's token, and by tokens of service accounts."""
    certificate, key = pki.pair("server")
    account_certificate, account_key = pki.pair("service-accounts")
    return [
        f"--etcd-servers={ports.etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports.apiserver}",
        "--permit-port-sharing=true",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={pki.ca}",
        f"--token-auth-file={pki.tokens}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={account_certificate}",
        f"--service-account-signing-key-file={account_key}",
        "--authorization-mode=RBAC",
        f"--disable-admission-plugins={_NO_ADMISSION}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged=true",
        # No service leads to the API server, so none is kept up to date; a machine without a network will do.
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
    ]


def scheduler(config: Path, kubeconfig: Path, pki: Pki, port: int) -> list[str]:
    """Configured by a file; see `scheduler_config`."""
    return [f"--config={config}", *_serving(kubeconfig, pki, port)]


def scheduler_config(wanted: Mapping[str, Any], kubeconfig: Path) -> dict[str, Any]:
    """A KubeSchedulerConfiguration as wanted, but connected to this control plane and without an election."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        **wanted,
        "clientConnection": {**wanted.get("clientConnection", {}), "kubeconfig": str(kubeconfig)},
        "leaderElection": {**wanted.get("leaderElection", {}), "leaderElect": False},
    }


def controller_manager(controllers: str, kubeconfig: Path, pki: Pki, port: int) -> list[str]:
    """Its controllers, in the notation of its flag: `*` for those on by default, names, `-name`."""
    _, account_key = pki.pair("service-accounts")
    return [
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        f"--controllers={controllers}",
        f"--service-account-private-key-file={account_key}",
        f"--root-ca-file={pki.ca}",
        *_serving(kubeconfig, pki, port),
    ]


def _serving(kubeconfig: Path, pki: Pki, port: int) -> list[str]:
    certificate, key = pki.pair("server")
    return [
        f"--authentication-kubeconfig={kubeconfig}",
        "--authentication-skip-lookup=true",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        "--permit-port-sharing=true",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
    ]
