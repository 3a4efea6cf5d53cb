"""What can go wrong with certificates, by what the caller can do about it."""


class CertificateError(ValueError):
    """Something about certificates is not as it must be; the message names it and the fix."""


class NameNotCertifiableError(CertificateError):
    """A host, user or group can not stand in a certificate."""


class BrokenAuthorityError(CertificateError):
    """What is stored is no usable authority: cut short, a key of another certificate, no CA."""


class StoreError(CertificateError):
    """The store can not be read or written; what was there before is still there."""


class ConflictError(StoreError):
    """Somebody else wrote first: read again and decide anew."""
