"""`lading webhooks`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deploy.rbac import Names
from lading.cli import options
from lading.cli.serving import Process, run_component
from lading.compose import Surroundings, webhook_services
from lading.endpoint import Endpoint, OptionsError
from lading.log import LogFormat, LogLevel
from lading.own_certificates import OwnCertificates, upkeep_service
from lading.run import Service
from webhooks.settings import Settings, chosen

_OWN = "Serving: certificates of its own"


def webhooks(
    settings: options.RuleSettings = None,
    enable: options.Enable = None,
    disable: options.Disable = None,
    kubeconfig: options.Kubeconfig = None,
    listen: options.Listen = "127.0.0.1:9443",
    certs: options.Certs = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    insecure_http: options.InsecureHttp = False,
    own_certs: Annotated[
        bool,
        typer.Option(
            "--own-certs",
            help="Keep an authority in a Secret that all replicas share, a certificate of it for this one, and the "
            "trust in it in the registrations; all are renewed in time.",
            rich_help_panel=_OWN,
        ),
    ] = False,
    secret: Annotated[
        str, typer.Option(metavar="NAME", help="That Secret, in the pod's namespace.", rich_help_panel=_OWN)
    ] = Names().secret,
    registration: Annotated[
        str, typer.Option(metavar="NAME", help="The name of both registrations.", rich_help_panel=_OWN)
    ] = Names().registration,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A further name or address that this goes by (repeatable).", rich_help_panel=_OWN
        ),
    ] = None,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Answer the API server: volumes, claims and classes normalized, and checked, before they are stored.

    Serves /mutate and /validate (AdmissionReview v1), and /healthz, /readyz and /metrics. `lading config webhooks`
    prints the registrations that make the API server call it; `lading check` runs the same rules over files. Prints
    `listening URL` once it can answer.

    API servers show no certificate to webhooks unless they are told to: give --client-ca only if yours is.
    """
    rules = chosen(settings, enable or (), disable or ())
    if not own_certs:
        endpoint = Endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http)
        process = Process("webhooks", endpoint, kubeconfig, log_format, log_level)
        run_component(process, lambda given: webhook_services(given, rules))
    if certs or tls_cert or tls_key or insecure_http:
        raise OptionsError(
            "--own-certs says already where certificates come from: leave out the other options for them"
        )
    with tempfile.TemporaryDirectory(prefix="lading-webhooks-") as folder:
        own = OwnCertificates(Path(folder), secret, tuple(host or ()), registration)
        endpoint = Endpoint(listen, own.file("webhooks", "crt"), own.file("webhooks", "key"), client_ca)
        process = Process("webhooks", endpoint, kubeconfig, log_format, log_level)
        run_component(process, lambda given: _with_own(given, rules, own))


def _with_own(given: Surroundings, rules: Settings, own: OwnCertificates) -> Sequence[Service]:
    upkeep, keeping = upkeep_service("webhooks", own, given)
    return [keeping, *webhook_services(given, rules, {"certificates": upkeep.complaint})]
