"""What is due in a set of certificates, and done: authorities rotated, leaves issued. `lading certs` on a store.

Leaves stand as NAME.crt and NAME.key, in the store of the authorities or in one of their own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cryptography import x509

from certs.authority import has_signed, period_of
from certs.errors import BrokenAuthorityError, CertificateError, NameNotCertifiableError
from certs.issue import Identity, Issued, Leaf, is_pair, issue, names_of
from certs.issue import read as read_leaf
from certs.rotation import LIVES, Begin, Lives, Period, Rest, Step, Switch, decide, why_renew
from certs.state import BUNDLE, STATE_FILES, Authorities, Files, advance, begin
from certs.state import read as read_authorities
from certs.store import Store

NAME: Final = "lading"
"""Begins the common name of every authority."""


@dataclass(frozen=True)
class Change:
    """One thing that was done, and why."""

    what: str
    why: str
    emergency: bool = False
    """Whether an authority was made anew with nothing to overlap with: for a moment nobody may trust anybody."""


@dataclass(frozen=True)
class Line:
    """One certificate, for `status`."""

    name: str
    identity: Identity | None
    """None for authorities."""
    period: Period
    trusted: bool


async def ensure(
    store: Store, wanted: Mapping[str, Identity], now: datetime, *, jitter: float = 0.0, lives: Lives = LIVES
) -> list[Change]:
    """Bring a store that holds all to what is due now.

    `wanted` adds to the certificates that are there, or gives them other names.

    Raises:
        CertificateError: the store's certificates are of an authority that is kept elsewhere.
        StoreError: `ConflictError` where another process wrote first: call again.
        NameNotCertifiableError: a wanted name.
    """
    stored = await store.load()
    if _is_beside(stored.files):
        raise CertificateError("these certificates are of an authority kept elsewhere: issue them --from-secret again")
    # Whoever trusts the store's bundle reads it from there: it is published by being written.
    authorities, rotations = rotated(stored.files, now, trusted_by_all=True, lives=lives)
    leaves, issues = issued(authorities, stored.files, wanted, now, jitter=jitter, lives=lives)
    if rotations or issues:
        await store.save(authorities.files() | leaves, stored.version)
    return rotations + issues


async def renew(store: Store, now: datetime, *, lives: Lives = LIVES) -> list[Change]:
    """Rotate by hand: make the following authority now, or let it sign if it has been trusted for long enough.

    Every certificate that is there is issued anew.
    """
    return await ensure(store, {}, now, lives=replace(lives, prepare_at=0.0, switch_at=0.0, renew_at=-1.0))


def rotated(
    files: Files, now: datetime, *, trusted_by_all: bool, lives: Lives = LIVES
) -> tuple[Authorities, list[Change]]:
    """The authorities after every step that is due, and the steps. Damaged ones are replaced at once."""
    if not STATE_FILES & set(files):
        return begin(NAME, now, lives=lives), [Change("began an authority", "there was none")]
    try:
        authorities = read_authorities(files)
    except BrokenAuthorityError as error:
        # The generation is one that no earlier authority can have had.
        began = Change("began a new authority", str(error), emergency=True)
        return begin(NAME, now, int(now.timestamp()), lives), [began]
    changes: list[Change] = []
    while not isinstance(step := decide(authorities.standing, now, trusted_by_all=trusted_by_all, lives=lives), Rest):
        authorities = advance(authorities, step, NAME, now, lives)
        changes.append(_told(step))
        if isinstance(step, Switch):
            break
    return authorities, changes


def issued(
    authorities: Authorities,
    files: Files,
    wanted: Mapping[str, Identity],
    now: datetime,
    *,
    jitter: float = 0.0,
    lives: Lives = LIVES,
) -> tuple[dict[str, bytes], list[Change]]:
    """The leaves, those that are due issued anew, and which and why.

    Raises:
        NameNotCertifiableError: a wanted name.
    """
    leaves, changes = _leaves(files), []
    for name, identity in {**identities(files), **wanted}.items():
        _check_name(name)
        present = _read_or_none(files, name)
        why = why_renew(
            present.period if present else None,
            names=names_of(present.identity) if present else (),
            wanted=names_of(identity),
            trusted=present is not None and _is_trusted(present, authorities.trusted),
            now=now,
            jitter=jitter,
            lives=lives,
        )
        if why is not None:
            leaf = issue(authorities.signing, identity, now, lives)
            leaves |= {f"{name}.crt": leaf.certificate, f"{name}.key": leaf.key}
            changes.append(Change(f"issued {name}", why))
    return leaves, changes


async def issued_beside(
    leaves: Store,
    authorities: Authorities,
    wanted: Mapping[str, Identity],
    now: datetime,
    *,
    jitter: float = 0.0,
    lives: Lives = LIVES,
) -> tuple[Files, list[Change]]:
    """Bring a store that holds leaves and whom to trust, and no authority, to what is due now.

    Raises:
        CertificateError: the store holds an authority of its own, or that which is to sign has expired.
        StoreError: `ConflictError` where another process wrote first: call again.
        NameNotCertifiableError: a wanted name.
    """
    stored = await leaves.load()
    if (STATE_FILES - {BUNDLE}) & set(stored.files):
        raise CertificateError("this holds an authority of its own: certificates of another one go elsewhere")
    if not authorities.signing.period.holds(now):
        raise CertificateError("the authority is not valid now: whoever keeps it up has not renewed it")
    made, changes = issued(authorities, stored.files, wanted, now, jitter=jitter, lives=lives)
    files = {**made, BUNDLE: authorities.bundle}
    if files != stored.files:
        await leaves.save(files, stored.version)
    return files, changes


def identities(files: Files) -> dict[str, Identity]:
    """Whom the leaves of a set stand for, by name; damaged ones are left out."""
    found = ((name, _read_or_none(files, name)) for name in _leaf_names(files))
    return {name: each.identity for name, each in found if each is not None}


def status(files: Files) -> list[Line]:
    """Every certificate of a set: the authorities, then the leaves by name.

    Raises:
        BrokenAuthorityError: the authorities can not be read.
    """
    if _is_beside(files):
        trusted = tuple(x509.load_pem_x509_certificates(files[BUNDLE]))
        lines = [Line("authority", None, period_of(each), trusted=True) for each in trusted]
    else:
        authorities = read_authorities(files)
        trusted, standing = authorities.trusted, authorities.standing
        named = (("signing", standing.current), ("next", standing.following), ("previous", standing.previous))
        lines = [Line(name, None, period, trusted=True) for name, period in named if period is not None]
    for name in _leaf_names(files):
        present = _read_or_none(files, name)
        if present is not None:
            lines.append(Line(name, present.identity, present.period, _is_trusted(present, trusted)))
    return lines


def _told(step: Step) -> Change:
    why = (type(step).__doc__ or "").split("\n", maxsplit=1)[0]
    return Change(f"authority: {type(step).__name__.lower()}", why, emergency=isinstance(step, Begin))


def _check_name(name: str) -> None:
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) is None or f"{name}.crt" in STATE_FILES:
        raise NameNotCertifiableError(
            f"{name!r} can not name a certificate: lower-case letters, digits and dashes, and none of the authority's"
        )


def _leaves(files: Files) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name not in STATE_FILES}


def _leaf_names(files: Files) -> list[str]:
    return sorted(name.removesuffix(".crt") for name in _leaves(files) if name.endswith(".crt"))


def _read_or_none(files: Files, name: str) -> Issued | None:
    """What the certificate says; None where it or its key is missing or damaged."""
    certificate, key = files.get(f"{name}.crt", b""), files.get(f"{name}.key", b"")
    try:
        return read_leaf(certificate) if is_pair(Leaf(certificate, key)) else None
    except CertificateError:
        return None


def _is_trusted(leaf: Issued, trusted: Iterable[x509.Certificate]) -> bool:
    return any(has_signed(each, leaf.certificate) for each in trusted)


def _is_beside(files: Files) -> bool:
    """Whether the set's authority is kept elsewhere."""
    return STATE_FILES & set(files) == {BUNDLE}
