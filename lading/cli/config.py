"""`lading config`: the manifests that register Lading with a cluster."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import orjson
import typer
import yaml

from controllers.csi.names import chosen as chosen_beside
from deploy import scheduler as scheduler_config
from deploy import webhooks as registrations
from deploy.cert_manager import certificates, injected
from deploy.rbac import OWN_CERTIFICATES, Component, Mode, Names, Sidecar, roles
from deploy.scheduler import Trust
from deploy.snapshot_crds import definitions
from lading.cli import options
from lading.endpoint import OptionsError
from lading.output import say
from model.meta import JSON
from webhooks.settings import chosen

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Print the manifests that register Lading with a cluster."
)

ON_HOST: Final = Path("/etc/kubernetes/lading")
"""Where a static-pod scheduler usually finds files of its host."""
EXCLUDED: Final = registrations.Exclusions.namespaces


class Output(StrEnum):
    """How manifests are written."""

    YAML = "yaml"
    JSON = "json"


OutputOption: TypeAlias = Annotated[Output, typer.Option("-o", "--output", help="How the manifests are written.")]
Namespace: TypeAlias = Annotated[str, typer.Option(help="Lading's namespace.")]


@app.command()
def scheduler(
    mode: options.ModeOption = Mode.BESIDE,
    url: Annotated[
        str, typer.Option(help="Where the scheduler's host reaches the extender; it seldom resolves cluster DNS.")
    ] = "https://lading-extender.lading.svc:8443",
    certs: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where the scheduler's host has ca.crt, scheduler.crt and scheduler.key of `lading certs issue`. "
            "Not looked at unless --embed is given; an http:// URL takes none.",
        ),
    ] = ON_HOST,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put the files' content into the configuration; they last 7 days.")
    ] = False,
    kubeconfig: Annotated[Path | None, typer.Option(help="The scheduler's own kubeconfig, to be named in it.")] = None,
    timeout: Annotated[int, typer.Option(metavar="SECONDS", help="How long the scheduler waits for an answer.")] = (
        scheduler_config.TIMEOUT_SECONDS
    ),
    scheduler_name: Annotated[str, typer.Option(help="The profile's name, as pods name it.")] = "default-scheduler",
    output: OutputOption = Output.YAML,
) -> None:
    """Print the KubeSchedulerConfiguration that makes kube-scheduler ask the extender.

    beside: the scheduler's volume plugins stay, the extender filters and scores too. instead: VolumeBinding,
    VolumeZone, NodeVolumeLimits and VolumeRestrictions are off, and the extender binds.
    """
    trust = _trust(certs.absolute(), embed=embed) if not url.startswith("http:") else Trust()
    _print(
        [
            scheduler_config.configuration(
                mode, url, trust, kubeconfig=kubeconfig, timeout_seconds=timeout, scheduler_name=scheduler_name
            )
        ],
        output,
    )


@app.command()
def webhooks(
    url: Annotated[
        str | None, typer.Option(metavar="https://HOST:PORT", help="Where the API server reaches the webhooks.")
    ] = None,
    service: Annotated[
        str, typer.Option(metavar="NAMESPACE/NAME[:PORT]", help="The Service in front of them, unless --url is given.")
    ] = "lading/lading-webhooks:443",
    ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Whom the API server trusts there, in PEM; by default that is injected later."
        ),
    ] = None,
    cert_manager: Annotated[
        bool,
        typer.Option("--cert-manager", help="Print what cert-manager needs as well, and let it inject whom to trust."),
    ] = False,
    failure_policy: Annotated[
        registrations.FailurePolicy,
        typer.Option(help="What becomes of a request that could not be validated. Normalizing never fails one."),
    ] = registrations.FailurePolicy.IGNORE,
    exclude_namespace: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A namespace whose claims are left alone (repeatable).",
            show_default=", ".join(EXCLUDED),
        ),
    ] = None,
    exempt_user: Annotated[
        list[str] | None,
        typer.Option(metavar="USER", help="A user whose requests are left alone, by full name (repeatable)."),
    ] = None,
    settings: options.RuleSettings = None,
    enable: options.Enable = None,
    disable: options.Disable = None,
    output: OutputOption = Output.YAML,
) -> None:
    """Print the webhook registrations, generated from the rules. Apply them last, when the webhooks serve.

    Give --settings, --enable and --disable as to `lading webhooks`.
    """
    if cert_manager and (url or ca):
        raise OptionsError("--cert-manager certifies the Service and injects whom to trust: leave out --url and --ca")
    made = registrations.configurations(
        url or _service(service),
        ca_bundle=_read(ca, "--ca") if ca else None,
        rules=chosen(settings, enable or (), disable or ()).all_rules,
        validating=failure_policy,
        exclusions=registrations.Exclusions(tuple(exclude_namespace or EXCLUDED), tuple(exempt_user or ())),
    )
    if cert_manager:
        certified = _service(service)
        made = [*certificates(certified), *(injected(each, certified) for each in made)]
    _print(made, output)


@app.command()
def rbac(
    mode: options.ModeOption = Mode.BESIDE,
    namespace: Namespace = "lading",
    own_certs: Annotated[
        list[Component] | None,
        typer.Option(
            help="What runs with --own-certs, the webhooks or the extender (repeatable).",
            show_default=", ".join(OWN_CERTIFICATES),
        ),
    ] = None,
    csi_driver: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A driver that `lading csi-sidecar` runs beside (repeatable)."),
    ] = None,
    csi_controllers: Annotated[
        str, typer.Option(metavar="LIST", help="What of it runs there, as its --controllers.")
    ] = "*",
    csi_secrets: Annotated[
        bool,
        typer.Option(
            "--csi-secrets",
            help="Let it read every Secret of the cluster, as classes may name any. "
            "Without, grant `get` on those that they do name.",
        ),
    ] = False,
    settings: options.RuleSettings = None,
    output: OutputOption = Output.YAML,
) -> None:
    """Print service accounts and roles: what each component asks of the API server, and no more.

    beside: for the extender and the webhooks. instead: for the controllers too. For a CSI driver's sidecar where
    its name is given.
    """
    whole = (Component.EXTENDER, Component.WEBHOOKS)
    components = (*whole, Component.CONTROLLERS) if mode is Mode.INSTEAD else whole
    names = Names(namespace=namespace)
    rules, own = chosen(settings), OWN_CERTIFICATES if own_certs is None else own_certs
    made = [roles(each, mode=mode, own_certificates=own, rules=rules, names=names) for each in components]
    run, _ = chosen_beside(csi_controllers)
    drivers = (Sidecar(each, run, csi_secrets) for each in csi_driver or ())
    made += [roles(Component.CSI_SIDECAR, names=names, beside=each) for each in drivers]
    _print([manifest for manifests in made for manifest in manifests], output)


@app.command()
def snapshot_crds(output: OutputOption = Output.YAML) -> None:
    """Print the CustomResourceDefinitions of VolumeSnapshot, VolumeSnapshotContent and VolumeSnapshotClass.

    A cluster has them once, whoever makes its snapshots: apply them only where they are not there yet.
    """
    _print(definitions(), output)


def _trust(folder: Path, *, embed: bool) -> Trust:
    files = (folder / "ca.crt", folder / "scheduler.crt", folder / "scheduler.key")
    return Trust(*(_read(file, "--embed") for file in files)) if embed else Trust(*files)


def _service(text: str) -> registrations.Service:
    namespace, _, rest = text.partition("/")
    name, _, port = rest.partition(":")
    if not namespace or not name or (port and not port.isdecimal()):
        raise OptionsError(f"--service {text!r}: expected NAMESPACE/NAME or NAMESPACE/NAME:PORT")
    return registrations.Service(namespace, name, int(port or 443))


def _read(file: Path, option: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OptionsError(f"{option}: {file}: {error.strerror}") from error


def _print(manifests: Sequence[JSON], output: Output) -> None:
    if output is Output.YAML:
        say(yaml.safe_dump_all(manifests, sort_keys=False).rstrip())
    elif len(manifests) == 1:
        say(orjson.dumps(manifests[0], option=orjson.OPT_INDENT_2).decode())
    else:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        say(orjson.dumps(listed, option=orjson.OPT_INDENT_2).decode())
