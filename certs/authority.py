"""An authority of our own: a self-signed certificate that signs serving and client certificates, and nothing else.

Every generation has its own name and key identifier, so that of two in one bundle only the right one is tried. The
certificates pass OpenSSL's strict checks (RFC 5280), which Python clients use by default since 3.13.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certs.errors import BrokenAuthorityError
from certs.rotation import LIVES, Lives, Period

MAX_COMMON_NAME: Final = 64
"""The upper bound of X.520."""


@dataclass(frozen=True)
class Authority:
    """A certificate that may sign, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def period(self) -> Period:
        """When it is valid."""
        return period_of(self.certificate)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return pem(self.certificate)

    @property
    def key_pem(self) -> bytes:
        """The key, PKCS #8, not encrypted: whoever stores it protects it."""
        return key_pem(self.key)


def create(name: str, generation: int, now: datetime, lives: Lives = LIVES) -> Authority:
    """A new authority; `name` and generation make its common name."""
    key = ec.generate_private_key(ec.SECP256R1())
    suffix = f"-ca-{generation}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name[: MAX_COMMON_NAME - len(suffix)]}{suffix}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - lives.backdate)
        .not_valid_after(now + lives.authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def read(certificate: bytes, key: bytes) -> Authority:
    """An authority from PEM.

    Raises:
        BrokenAuthorityError: no certificate, no key, not each other's, or not one that may sign.
    """
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BrokenAuthorityError(f"the authority's certificate or key can not be read: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise BrokenAuthorityError("the authority's key is no elliptic curve key: issue a new authority")
    if parsed.public_key() != private.public_key():
        raise BrokenAuthorityError("the authority's key is not that of its certificate")
    if not may_sign(parsed):
        raise BrokenAuthorityError("the authority's certificate is not one of an authority")
    return Authority(parsed, private)


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether it is a self-issued CA certificate."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and certificate.issuer == certificate.subject


def has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the authority's key made the certificate's signature."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def period_of(certificate: x509.Certificate) -> Period:
    """When a certificate is valid."""
    return Period(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key in PEM: PKCS #8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What an authority's key is for, or a leaf's."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
