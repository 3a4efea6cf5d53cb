"""`lading webhooks`."""

import tempfile
from pathlib import Path

from lading.cli import options
from lading.cli.serving import Process, run_component
from lading.compose import webhook_services
from lading.endpoint import Endpoint
from lading.log import LogFormat, LogLevel
from lading.own_certificates import OwnCertificates, with_own
from webhooks.settings import chosen


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
    own_certs: options.OwnCerts = False,
    secret: options.OwnSecret = options.NAMES.secret,
    registration: options.OwnRegistration = options.NAMES.registration,
    host: options.OwnHost = None,
    linger: options.Linger = 0.0,
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
        process = Process("webhooks", endpoint, kubeconfig, log_format, log_level, linger)
        run_component(process, lambda given: webhook_services(given, rules))
    options.refuse_beside_own(certs, tls_cert, tls_key, insecure_http)
    with tempfile.TemporaryDirectory(prefix="lading-webhooks-") as folder:
        own = OwnCertificates(Path(folder), secret, tuple(host or ()), registration)
        process = Process(
            "webhooks", own.endpoint("webhooks", listen, client_ca), kubeconfig, log_format, log_level, linger
        )
        run_component(
            process,
            lambda given: with_own("webhooks", own, given, lambda besides: webhook_services(given, rules, besides)),
        )
