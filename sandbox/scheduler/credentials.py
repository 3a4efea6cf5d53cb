"""TLS towards an extender, by kube-scheduler's rules: no CA with enableHTTPS means that nothing is verified."""

import ssl
import tempfile
from pathlib import Path

from sandbox.scheduler.configuration import ConfigurationError, ExtenderSettings, Tls, read_data


def client_context(settings: ExtenderSettings) -> ssl.SSLContext:
    """What to call the extender with. Reads files.

    Raises:
        ConfigurationError: a file or its content can not be used; the message names the extender.
    """
    tls, where = settings.tls, f"extender {settings.url}"
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if tls.ca_data:
            context = ssl.create_default_context(cadata=read_data(tls.ca_data, "caData").decode("ascii"))
        elif tls.ca_file:
            context = ssl.create_default_context(cafile=tls.ca_file)
        elif settings.https or tls.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _present(context, tls)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{where}: tlsConfig: {error}") from error
    return context


def _present(context: ssl.SSLContext, tls: Tls) -> None:
    if not (tls.cert_file or tls.cert_data):
        return
    # OpenSSL reads certificates from files alone.
    with tempfile.TemporaryDirectory(prefix="lading-scheduler-") as folder:
        cert = _file(Path(folder) / "tls.crt", tls.cert_data) or tls.cert_file
        key = _file(Path(folder) / "tls.key", tls.key_data) or tls.key_file
        context.load_cert_chain(cert, key)


def _file(path: Path, data: str) -> str:
    if not data:
        return ""
    path.write_bytes(read_data(data, path.name))
    return str(path)
