"""`lading extender`."""

from deploy.rbac import Mode
from lading.cli import options
from lading.cli.serving import Process, run_component
from lading.compose import Election, extender_services
from lading.endpoint import Endpoint
from lading.log import LogFormat, LogLevel


def extender(
    mode: options.ModeOption = Mode.BESIDE,
    kubeconfig: options.Kubeconfig = None,
    leader_elect: options.LeaderElect = False,
    lease_name: options.LeaseName = "lading-extender",
    lease_namespace: options.LeaseNamespace = None,
    lease_duration: options.LeaseDuration = Election.duration,
    renew_deadline: options.RenewDeadline = Election.renew,
    retry_period: options.RetryPeriod = Election.retry,
    listen: options.Listen = "127.0.0.1:8443",
    certs: options.Certs = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    insecure_http: options.InsecureHttp = False,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Answer kube-scheduler: which nodes suit a pod's volumes, which best, and bind.

    Serves /filter, /prioritize, /preempt and /bind of the scheduler-extender protocol, /explain, and /healthz, /readyz
    and /metrics. `lading config scheduler` prints the configuration that makes kube-scheduler call it. Prints
    `listening URL` once it can answer.

    Whoever may call /bind may place pods: with --certs or --client-ca only callers with a certificate may.

    Several replicas with --mode instead need --leader-elect: the one with the Lease answers, the others are not ready
    and take over within the lease's time. Beside the scheduler's own plugins any number may answer.
    """
    endpoint = Endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http)
    process = Process("extender", endpoint, kubeconfig, log_format, log_level)
    times = (lease_duration, renew_deadline, retry_period)
    election = options.election((lease_namespace, lease_name), times, elects=leader_elect)
    run_component(process, lambda given: extender_services(given, mode, election(given.namespace))[1])
