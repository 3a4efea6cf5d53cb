"""Certificates for servers and clients, short-lived, signed by an authority.

A server is known by its subject alternative names alone; a client by common name and organizations, which the API
server reads as user and groups.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import MAX_COMMON_NAME, Authority, key_pem, key_usage, pem, period_of
from certs.errors import CertificateError, NameNotCertifiableError
from certs.rotation import LIVES, Lives, Period, leaf_period

_DNS_NAME: Final = re.compile(r"(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Server:
    """What a serving certificate stands for: DNS names and IP addresses, as clients write them."""

    hosts: tuple[str, ...]


@dataclass(frozen=True)
class User:
    """What a client certificate stands for."""

    name: str
    groups: tuple[str, ...] = ()


Identity = Server | User


@dataclass(frozen=True)
class Leaf:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Issued:
    """What a certificate says of itself."""

    identity: Identity
    period: Period
    certificate: x509.Certificate


def service_hosts(service: str, namespace: str, cluster_domain: str = "cluster.local") -> tuple[str, ...]:
    """The names by which a cluster knows a Service; the first is the one that the API server checks."""
    name = f"{service}.{namespace}"
    return (f"{name}.svc", name, service, f"{name}.svc.{cluster_domain}")


def issue(authority: Authority, identity: Identity, now: datetime, lives: Lives = LIVES) -> Leaf:
    """A certificate for a server or a user, with a new key.

    Raises:
        NameNotCertifiableError: a name that can not stand in a certificate, or none at all.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    period = leaf_period(now, authority.period, lives)
    authority_id = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(identity))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(period.start)
        .not_valid_after(period.end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_purpose(identity)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False)
    )
    if isinstance(identity, Server):
        builder = builder.add_extension(x509.SubjectAlternativeName(_alternative_names(identity.hosts)), critical=False)
    return Leaf(pem(builder.sign(authority.key, hashes.SHA256())), key_pem(key))


def read(certificate: bytes) -> Issued:
    """What a certificate in PEM says of itself.

    Raises:
        CertificateError: no certificate, or one for neither servers nor clients.
    """
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
        purposes = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.SERVER_AUTH in purposes:
            names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
            return Issued(Server(tuple(hosts)), period_of(parsed), parsed)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise CertificateError(f"no certificate of a server or a client: {error}") from error
    users = [str(each.value) for each in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(each.value) for each in parsed.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Issued(User("".join(users), tuple(groups)), period_of(parsed), parsed)


def is_pair(leaf: Leaf) -> bool:
    """Whether the key is that of the certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(leaf.certificate)
        key = serialization.load_pem_private_key(leaf.key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return certificate.public_key() == key.public_key()


def names_of(identity: Identity) -> tuple[str, ...]:
    """The names that a certificate for it holds, for comparison."""
    return identity.hosts if isinstance(identity, Server) else (identity.name, *identity.groups)


def _purpose(identity: Identity) -> x509.ObjectIdentifier:
    return ExtendedKeyUsageOID.SERVER_AUTH if isinstance(identity, Server) else ExtendedKeyUsageOID.CLIENT_AUTH


def _subject(identity: Identity) -> x509.Name:
    if isinstance(identity, Server):
        # Nobody reads it, but some tools show it; the alternative names may be longer than it can be.
        shown = identity.hosts[0] if identity.hosts else ""
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown[:MAX_COMMON_NAME] or "server")])
    for name in (identity.name, *identity.groups):
        if not 0 < len(name) <= MAX_COMMON_NAME:
            raise NameNotCertifiableError(f"{name!r} can not stand in a certificate: 1 to {MAX_COMMON_NAME} characters")
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, identity.name)])


def _alternative_names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    names = [_alternative_name(host) for host in dict.fromkeys(hosts)]
    if not names:
        raise NameNotCertifiableError("a serving certificate needs at least one host name or address")
    return names


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if len(host) > 253 or _DNS_NAME.fullmatch(host) is None:
        raise NameNotCertifiableError(f"{host!r} is neither a DNS name in lower case nor an IP address")
    return x509.DNSName(host)
