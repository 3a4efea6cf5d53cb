"""When authorities and certificates are renewed: decided from what there is and the time, which is an argument.

The next authority is made and shown to everybody long before it signs, and the previous one is trusted until the last
certificate it signed has expired: at every moment whoever verifies trusts whatever is served.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True)
class Lives:
    """How long things live, and when in their lives they are replaced."""

    authority: timedelta = timedelta(days=365)
    prepare_at: float = 1 / 2
    """The part of an authority's life after which the next one is made."""
    switch_at: float = 2 / 3
    """The part after which the next one signs."""
    overlap: timedelta = timedelta(hours=24)
    """How long the next one has been trusted everywhere before it signs."""
    leaf: timedelta = timedelta(days=7)
    renew_at: float = 1 / 2
    """The part of a certificate's life after which it is replaced; ±10 % so that replicas do not move together."""
    backdate: timedelta = timedelta(hours=1)
    """By how much validity begins in the past, for clocks that are behind."""

    @property
    def keep_previous(self) -> timedelta:
        """How long a previous authority stays trusted: until every certificate of it has expired, and a day."""
        return max(self.leaf, timedelta(days=7)) + timedelta(days=1)


LIVES: Final = Lives()


@dataclass(frozen=True)
class Period:
    """From when to when something is valid."""

    start: datetime
    end: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it is valid now. One that begins in the future was made by a clock that has been put right since."""
        return self.start <= now < self.end

    def after(self, part: float) -> datetime:
        """The moment at which this part of the period has passed."""
        return self.start + (self.end - self.start) * part


@dataclass(frozen=True)
class Standing:
    """What authorities there are; `current` is None where there is none that can be used."""

    current: Period | None = None
    following: Period | None = None
    published: datetime | None = None
    """Since when everybody is known to trust the following one."""
    previous: Period | None = None
    switched: datetime | None = None
    """Since when the previous one no longer signs."""


@dataclass(frozen=True)
class Begin:
    """Make an authority and sign with it at once: there is nothing to overlap with."""


@dataclass(frozen=True)
class Prepare:
    """Make the following authority, to be trusted and not yet used."""


@dataclass(frozen=True)
class Publish:
    """Note that everybody trusts the following authority now."""


@dataclass(frozen=True)
class Switch:
    """Sign with the following authority; the current one becomes the previous."""


@dataclass(frozen=True)
class Forget:
    """Trust the previous authority no longer."""


@dataclass(frozen=True)
class Rest:
    """Nothing to do before `until`."""

    until: datetime


Step = Begin | Prepare | Publish | Switch | Forget | Rest


def decide(standing: Standing, now: datetime, *, trusted_by_all: bool, lives: Lives = LIVES) -> Step:
    """The one next step. `trusted_by_all`: whether everybody was seen to trust the following authority."""
    current, following = standing.current, standing.following
    usable = following is not None and following.holds(now)
    if current is None or not current.holds(now):
        return Switch() if usable else Begin()
    if standing.previous is not None and now >= _forget_at(standing, lives):
        return Forget()
    if not usable:
        return Prepare() if now >= current.after(lives.prepare_at) else Rest(_earliest(standing, current, lives))
    if standing.published is None:
        return Publish() if trusted_by_all else Rest(now + lives.overlap / 24)
    if now >= switch_time(standing, lives):
        return Switch()
    return Rest(min(switch_time(standing, lives), _earliest(standing, current, lives)))


def switch_time(standing: Standing, lives: Lives = LIVES) -> datetime:
    """When the following authority, published by now, begins to sign: not while the previous one is still needed.

    Raises:
        ValueError: there is none, or it is not published.
    """
    if standing.current is None or standing.published is None:
        raise ValueError("no authority has been published that could take over")
    times = [standing.current.after(lives.switch_at), standing.published + lives.overlap]
    return max(*times, _forget_at(standing, lives)) if standing.previous else max(times)


def _earliest(standing: Standing, current: Period, lives: Lives) -> datetime:
    times = [current.end]
    if standing.following is None:
        times.append(current.after(lives.prepare_at))
    if standing.previous is not None:
        times.append(_forget_at(standing, lives))
    return min(times)


def _forget_at(standing: Standing, lives: Lives) -> datetime:
    """When the previous authority is needed no longer; one of unknown date is kept to its end."""
    if standing.previous is None:
        raise ValueError("there is no previous authority")
    end = standing.previous.end
    return min(end, standing.switched + lives.keep_previous) if standing.switched else end


def leaf_period(now: datetime, authority: Period, lives: Lives = LIVES) -> Period:
    """The validity of a certificate signed now: it never outlives its authority."""
    return Period(max(now - lives.backdate, authority.start), min(now + lives.leaf, authority.end))


def renewal_time(leaf: Period, jitter: float, lives: Lives = LIVES) -> datetime:
    """When a certificate is replaced; `jitter` from -1 to 1 moves it by up to a tenth of its life."""
    return leaf.after(lives.renew_at + jitter / 10)


def why_renew(
    leaf: Period | None,
    *,
    names: Collection[str],
    wanted: Collection[str],
    trusted: bool,
    now: datetime,
    jitter: float = 0.0,
    lives: Lives = LIVES,
) -> str | None:
    """Why a certificate is to be issued anew, in a few words; None while the one there is serves.

    `names` are those it has, `wanted` those it must have; `trusted` says whether an authority that is trusted now
    signed it.
    """
    if leaf is None:
        return "there is none"
    if not trusted:
        return "no trusted authority signed it"
    if set(names) != set(wanted):
        return "other names are wanted"
    if now < leaf.start:
        return "it is not valid yet: the clock was put back"
    return "it is old enough" if now >= renewal_time(leaf, jitter, lives) else None
