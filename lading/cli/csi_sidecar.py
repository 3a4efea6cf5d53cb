"""`lading csi-sidecar`."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from prometheus_client import CollectorRegistry

from controllers.csi.able import able
from controllers.csi.names import BY_NAME, NAMES, chosen, lease
from controllers.csi.settings import SidecarSettings
from controllers.csi.snapshotter.served import with_kinds
from lading.cli import csi_options, options
from lading.cli.serving import Process, run_alone, run_opened
from lading.compose import Alone, Besides, Surroundings, alone_services, csi_sidecar_services
from lading.election import Election
from lading.endpoint import Endpoint, OptionsError
from lading.log import LogFormat, LogLevel
from lading.run import Service
from plugins.errors import PluginError

if TYPE_CHECKING:
    from plugins.csi.driver import Driver

_DRIVER = "Driver"
_WORK = "What runs"
_VOLUMES = "Making volumes"
_PLACES = "Making volumes: where"
_ROOM = "Reporting what is left"
_CLASSES = "Reporting what is left: for which classes"
"""Panels of their own, or the long names leave no room for the others' on a narrow terminal."""
_DEFAULTS: Final = SidecarSettings()
_PREFIX: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,89}[a-z0-9])?")
"""A driver must take 128 bytes of name and no more: 91, a dash and the UID."""

Address = Annotated[
    str,
    typer.Option(metavar="unix:///PATH", envvar="CSI_ENDPOINT", help="The driver's socket.", rich_help_panel=_DRIVER),
]
Timeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.1,
        help="How long a call to the driver may take; about snapshots at least 60 s.",
        rich_help_panel=_DRIVER,
    ),
]
DriverWait = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.0, help="How long the driver may take to come up.", rich_help_panel=_DRIVER),
]
Expression = Annotated[
    str,
    typer.Option(
        "--controllers",
        metavar="LIST",
        help="As kube-controller-manager's flag: * for all, NAME, -NAME for all but it. There are "
        f"{', '.join(name for name in NAMES if name not in BY_NAME)}; "
        f"and {' and '.join(BY_NAME)}, which * does not mean.",
        rich_help_panel=_WORK,
    ),
]
LeaseName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"The Lease; by default {lease('driver').replace('driver', 'DRIVER')}, in lower case.",
        rich_help_panel="Leader election",
        show_default=False,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Volumes that are made, and as many that are deleted, at a time.",
        rich_help_panel=_WORK,
    ),
]
RetryStart = Annotated[
    float,
    typer.Option(
        "--retry-interval-start",
        metavar="SECONDS",
        min=0.01,
        help="The wait after a failed call; it doubles.",
        rich_help_panel=_WORK,
    ),
]
RetryMax = Annotated[
    float,
    typer.Option(
        "--retry-interval-max", metavar="SECONDS", min=0.01, help="The longest such wait.", rich_help_panel=_WORK
    ),
]
DefaultFsType = Annotated[
    str,
    typer.Option(
        "--default-fstype",
        metavar="FS",
        help="The file system of volumes whose class names none.",
        rich_help_panel=_VOLUMES,
        show_default=False,
    ),
]
NamePrefix = Annotated[
    str,
    typer.Option(
        "--volume-name-prefix",
        metavar="PREFIX",
        help="What the names of volumes begin with; the claim's UID follows.",
        rich_help_panel=_VOLUMES,
    ),
]
ExtraMetadata = Annotated[
    bool,
    typer.Option(
        "--extra-create-metadata",
        help="Tell the driver the names of claim and volume, or of the snapshot.",
        rich_help_panel=_VOLUMES,
    ),
]
ReadOnlyPublish = Annotated[
    bool,
    typer.Option(
        "--controller-publish-readonly",
        help="Have volumes attached for reading only that claims want ReadOnlyMany and nothing else.",
        rich_help_panel=_VOLUMES,
    ),
]
StrictTopology = Annotated[
    bool,
    typer.Option(
        "--strict-topology",
        help="Ask for the selected node's own place alone, not also for those that would do as well.",
        rich_help_panel=_VOLUMES,
    ),
]
ImmediateTopology = Annotated[
    bool,
    typer.Option(
        "--immediate-topology/--no-immediate-topology",
        metavar="",
        help="Ask for a place where no node was selected and the class names none.",
        rich_help_panel=_PLACES,
    ),
]
PollInterval = Annotated[
    float,
    typer.Option(
        "--capacity-poll-interval",
        metavar="SECONDS",
        min=1.0,
        help="How often the driver is asked how much is left.",
        rich_help_panel=_ROOM,
    ),
]
ForImmediate = Annotated[
    bool,
    typer.Option(
        "--capacity-for-immediate-binding",
        metavar="",
        help="Report for classes of the binding mode Immediate, too.",
        rich_help_panel=_CLASSES,
    ),
]
PodName = Annotated[
    str,
    typer.Option(
        "--pod-name",
        metavar="NAME",
        envvar="POD_NAME",
        help="The pod that this runs in: the reports go with its owner. Without it they belong to nobody.",
        rich_help_panel=_ROOM,
        show_default=False,
    ),
]
OwnerLevel = Annotated[
    int,
    typer.Option(
        "--capacity-ownerref-level",
        metavar="N",
        min=-1,
        help="Which owner: 0 the pod itself, 1 its ReplicaSet or StatefulSet, 2 its Deployment, -1 none.",
        rich_help_panel=_ROOM,
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        metavar="NAMESPACE",
        envvar="NAMESPACE",
        help="Where the reports live, and the record of calls under way. [default: that of the kubeconfig or the pod]",
        rich_help_panel=_WORK,
        show_default=False,
    ),
]


def csi_sidecar(
    csi_address: Address = "unix:///run/csi/socket",
    expression: Expression = "*",
    timeout: Timeout = 15.0,
    driver_wait: DriverWait = 30.0,
    namespace: Namespace = None,
    workers: Workers = _DEFAULTS.workers,
    retry_start: RetryStart = _DEFAULTS.backoff_seconds[0],
    retry_max: RetryMax = _DEFAULTS.backoff_seconds[1],
    default_fs_type: DefaultFsType = _DEFAULTS.default_fs_type,
    name_prefix: NamePrefix = _DEFAULTS.volume_name_prefix,
    extra_create_metadata: ExtraMetadata = _DEFAULTS.extra_create_metadata,
    read_only_publish: ReadOnlyPublish = _DEFAULTS.read_only_publish,
    strict_topology: StrictTopology = _DEFAULTS.strict_topology,
    immediate_topology: ImmediateTopology = _DEFAULTS.immediate_topology,
    poll_interval: PollInterval = _DEFAULTS.capacity_poll_seconds,
    for_immediate: ForImmediate = _DEFAULTS.capacity_for_immediate,
    pod_name: PodName = _DEFAULTS.pod_name,
    owner_level: OwnerLevel = _DEFAULTS.owner_level,
    attach_workers: csi_options.AttachWorkers = _DEFAULTS.attach_workers,
    resize_workers: csi_options.ResizeWorkers = _DEFAULTS.resize_workers,
    reconcile_sync: csi_options.ReconcileSync = _DEFAULTS.reconcile_attachments_seconds,
    ignore_in_use: csi_options.IgnoreInUse = False,
    extra_modify_metadata: csi_options.ExtraModifyMetadata = _DEFAULTS.extra_modify_metadata,
    registration_dir: csi_options.RegistrationDir = Path("/registration"),
    registration_path: csi_options.RegistrationPath = None,
    probe_timeout: csi_options.ProbeTimeout = 3.0,
    kubeconfig: options.Kubeconfig = None,
    leader_elect: options.LeaderElect = True,
    lease_name: LeaseName = None,
    lease_namespace: options.LeaseNamespace = None,
    lease_duration: options.LeaseDuration = Election.duration,
    renew_deadline: options.RenewDeadline = Election.renew,
    retry_period: options.RetryPeriod = Election.retry,
    listen: options.Listen = "127.0.0.1:10262",
    certs: options.Certs = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    insecure_http: options.InsecureHttp = False,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Provision, attach, grow, change and snapshot volumes for one CSI driver, in place of its sidecars.

    Runs beside the driver, at its socket. Serves /healthz, /readyz and /metrics, and how the driver is at
    /healthz/driver. Prints `listening URL` once it works, or waits for the Lease. With node-driver-registrar alone it
    needs no API server.
    """
    names, registers = chosen(expression)
    socket = csi_options.registration_path(registration_path) if registers else None
    if not names and not registers:
        raise OptionsError("--controllers selects none: give names, or * for all")
    endpoint = Endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http)
    process = Process("csi-sidecar", endpoint, kubeconfig, log_format, log_level)
    times = (lease_duration, renew_deadline, retry_period)
    options.election((lease_namespace, lease_name or ""), times, elects=leader_elect)
    if retry_max < retry_start:
        raise OptionsError("--retry-interval-max can not be less than --retry-interval-start")
    if _PREFIX.fullmatch(name_prefix) is None:
        what = "at most 91 lower-case letters, digits, '-' and '.'"
        raise OptionsError(f"--volume-name-prefix {name_prefix!r}: expected {what}")
    settings = replace(
        _DEFAULTS,
        workers=workers,
        backoff_seconds=(retry_start, retry_max),
        default_fs_type=default_fs_type,
        volume_name_prefix=name_prefix,
        extra_create_metadata=extra_create_metadata,
        read_only_publish=read_only_publish,
        strict_topology=strict_topology,
        immediate_topology=immediate_topology,
        capacity_poll_seconds=poll_interval,
        capacity_for_immediate=for_immediate,
        pod_name=pod_name,
        owner_level=owner_level,
        attach_workers=attach_workers,
        resize_workers=resize_workers,
        reconcile_attachments_seconds=reconcile_sync,
        handle_volume_in_use=not ignore_in_use,
        extra_modify_metadata=extra_modify_metadata,
    )

    @asynccontextmanager
    async def beside(registry: CollectorRegistry) -> AsyncIterator[tuple["Driver", Besides]]:
        from lading.beside_driver import Registration, beside_driver  # noqa: PLC0415 - gRPC would slow all commands
        from plugins.csi.driver import reached  # noqa: PLC0415 - as above

        async with AsyncExitStack() as stack:
            reaching = reached(csi_address, seconds=timeout, wait_seconds=driver_wait, registry=registry)
            try:
                driver = await stack.enter_async_context(reaching)
            except PluginError as error:
                raise OptionsError(f"{error} (--csi-address, --driver-wait)") from error
            registration = Registration(registration_dir.absolute(), socket) if socket else None
            yield driver, beside_driver(driver, probe_timeout, registration)

    @asynccontextmanager
    async def opened(given: Surroundings) -> AsyncIterator[Sequence[Service]]:
        async with beside(given.registry) as (driver, besides):
            own = replace(settings, namespace=namespace or given.namespace)
            able_to = able(names, expression, driver.calls | driver.node_calls)
            working = await with_kinds(able_to, expression, given.client)
            led_by = lease_name or lease(driver.name)
            election = options.election((lease_namespace, led_by), times, elects=leader_elect)
            yield csi_sidecar_services(given, working, driver, election(given.namespace), own, besides)

    @asynccontextmanager
    async def alone(given: Alone) -> AsyncIterator[Sequence[Service]]:
        async with beside(given.registry) as (_, besides):
            yield alone_services("csi-sidecar", given, besides)

    if names:
        run_opened(process, opened)
    run_alone(process, alone)
