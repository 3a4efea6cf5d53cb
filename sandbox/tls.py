"""The server's own authority and certificate, kept in a folder so that kubeconfigs outlive a restart."""

import ipaddress
import os
import secrets
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE: Final = timedelta(days=365)
_RENEWED_WITHIN: Final = timedelta(days=30)
_NAMES: Final = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True)
class Credentials:
    """What a client needs to trust the server, and to be trusted by it."""

    ca: str
    token: str


def prepare(folder: Path, host: str) -> tuple[ssl.SSLContext, Credentials]:
    """A context to serve with on `host` (a name or an address), and the credentials for clients.

    Made at the first call for a folder, and again when they near their end; the token stays.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    cert, key, ca, token = (folder / name for name in ("server.crt", "server.key", "ca.crt", "token"))
    if not _usable(cert, host):
        _issue(cert, key, ca, host)
    if not token.exists():
        _write(token, secrets.token_urlsafe(32).encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    return context, Credentials(ca.read_text(), token.read_text())


def _usable(cert: Path, host: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    except (OSError, ValueError):
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    held = {str(name.value) for name in names}
    return host in held and certificate.not_valid_after_utc > datetime.now(UTC) + _RENEWED_WITHIN


def _issue(cert: Path, key: Path, ca: Path, host: str) -> None:
    """An authority whose key is used once and forgotten, and the server's certificate of it."""
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = _name("lading-sandbox-ca")
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    authority = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        _builder(_name("lading-sandbox"), ca_name, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(host)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    _write(key, server_key.private_bytes(pem, pkcs8, plain))
    _write(ca, authority.public_bytes(pem))
    # Last: it is what says that all of them are there.
    _write(cert, server.public_bytes(pem))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(minutes=5),
        not_valid_after=now + _LIFE,
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(host: str) -> list[x509.GeneralName]:
    addresses = {"127.0.0.1", "::1"}
    names = dict.fromkeys([*_NAMES, socket.gethostname()])
    try:
        addresses.add(str(ipaddress.ip_address(host)))
    except ValueError:
        names[host] = None
    listed = [x509.IPAddress(ipaddress.ip_address(each)) for each in sorted(addresses)]
    return [*(x509.DNSName(each) for each in names), *listed]


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _write(path: Path, content: bytes) -> None:
    """Readable by the owner alone, and whole or not at all."""
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
