"""The authorities in force, as a value and as files: what a Secret or a folder keeps.

| file | holds |
|---|---|
| `ca.crt` | what to trust: previous, current and following authority, each once, in this order |
| `signing.crt`, `signing.key` | the one that signs |
| `next.crt`, `next.key` | the one that will |
| `previous.crt` | the one that did |
| `authority.json` | generation, and since when the next is published and the previous no longer signs |
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec
from cryptography import x509

from certs import authority
from certs.authority import Authority, period_of
from certs.errors import BrokenAuthorityError
from certs.rotation import LIVES, Begin, Forget, Lives, Prepare, Publish, Rest, Standing, Step, Switch

Files = Mapping[str, bytes]

BUNDLE: Final = "ca.crt"
STATE_FILES: Final = frozenset(
    {BUNDLE, "signing.crt", "signing.key", "next.crt", "next.key", "previous.crt", "authority.json"}
)


class _Facts(msgspec.Struct, frozen=True):
    """`authority.json`."""

    generation: int
    published: datetime | None = None
    switched: datetime | None = None


@dataclass(frozen=True)
class Authorities:
    """The one that signs, the one to come, the one that was."""

    signing: Authority
    generation: int = 1
    following: Authority | None = None
    published: datetime | None = None
    previous: x509.Certificate | None = None
    switched: datetime | None = None

    @property
    def standing(self) -> Standing:
        """What `rotation.decide` asks for."""
        return Standing(
            self.signing.period,
            self.following.period if self.following else None,
            self.published,
            period_of(self.previous) if self.previous else None,
            self.switched,
        )

    @property
    def trusted(self) -> tuple[x509.Certificate, ...]:
        """Whom to trust. The order is fixed, so that nothing changes as long as nothing changes."""
        others = (self.previous, self.signing.certificate, self.following.certificate if self.following else None)
        return tuple(each for each in others if each is not None)

    @property
    def bundle(self) -> bytes:
        """Whom to trust, in PEM."""
        return b"".join(authority.pem(each) for each in self.trusted)

    def files(self) -> dict[str, bytes]:
        """As files."""
        facts = _Facts(self.generation, self.published, self.switched)
        files = {
            BUNDLE: self.bundle,
            "signing.crt": self.signing.certificate_pem,
            "signing.key": self.signing.key_pem,
            "authority.json": msgspec.json.encode(facts),
        }
        if self.following is not None:
            files |= {"next.crt": self.following.certificate_pem, "next.key": self.following.key_pem}
        if self.previous is not None:
            files["previous.crt"] = authority.pem(self.previous)
        return files


def read(files: Files) -> Authorities:
    """From files.

    Raises:
        BrokenAuthorityError: files are missing or damaged; the message says which.
    """
    try:
        facts = msgspec.json.decode(files["authority.json"], type=_Facts)
        signing = authority.read(files["signing.crt"], files["signing.key"])
        following = authority.read(files["next.crt"], files["next.key"]) if "next.crt" in files else None
        previous = x509.load_pem_x509_certificate(files["previous.crt"]) if "previous.crt" in files else None
    except KeyError as error:
        raise BrokenAuthorityError(f"the authority's file {error} is missing") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise BrokenAuthorityError(f"the authority's files are damaged: {error}") from error
    return Authorities(signing, facts.generation, following, facts.published, previous, facts.switched)


def begin(name: str, now: datetime, generation: int = 1, lives: Lives = LIVES) -> Authorities:
    """A first authority, or one with nothing left to overlap with."""
    return Authorities(authority.create(name, generation, now, lives), generation)


def advance(authorities: Authorities, step: Step, name: str, now: datetime, lives: Lives = LIVES) -> Authorities:
    """The authorities after a step."""
    match step:
        case Begin():
            return begin(name, now, authorities.generation + 1, lives)
        case Prepare():
            generation = authorities.generation + 1
            following = authority.create(name, generation, now, lives)
            return replace(authorities, following=following, generation=generation, published=None)
        case Publish():
            return replace(authorities, published=now)
        case Switch() if authorities.following is not None:
            return Authorities(
                authorities.following,
                authorities.generation,
                previous=authorities.signing.certificate,
                switched=now,
            )
        case Forget():
            return replace(authorities, previous=None, switched=None)
        case Switch() | Rest():
            return authorities
