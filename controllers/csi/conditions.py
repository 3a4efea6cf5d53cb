"""Conditions of claims, as the list that they are written as. Pure."""

from collections.abc import Collection, Mapping, Sequence

from model.meta import JSON


def merged(
    before: Sequence[JSON] | None, news: Mapping[str, Mapping[str, str]], now: str, *, dropped: Collection[str] = ()
) -> list[JSON]:
    """The conditions with the new ones true, and without those that are dropped and not among the new.

    `news` has reason and message of each, by its type. One that is true already keeps the time since when it is.
    """
    kept, left = [], dict(news)
    for each in before or ():
        kind = str(each.get("type"))
        if kind in left:
            since = each.get("lastTransitionTime") if each.get("status") == "True" else None
            kept.append(_condition(kind, left.pop(kind), since or now))
        elif kind not in dropped:
            kept.append(each)
    return [*kept, *(_condition(kind, told, now) for kind, told in left.items())]


def holds_true(conditions: Sequence[JSON] | None, kind: str) -> bool:
    """Whether a condition is there and true."""
    return any(each.get("type") == kind and each.get("status") == "True" for each in conditions or ())


def _condition(kind: str, told: Mapping[str, str], since: str) -> JSON:
    given = {key: value for key, value in told.items() if value}
    return {"type": str(kind), "status": "True", "lastTransitionTime": since, **given}
