"""What a server says of the cases, in a form that can be kept: `record.py` asks a real one."""

from pathlib import Path
from typing import Any

import orjson

from tests.contract.cases import Case, changed
from tests.contract.servers import Place

JSON = dict[str, Any]
RECORDED = Path(__file__).with_name("recorded.json")
_OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace", "name", "selfLink")

_TIMES = ("lastPhaseTransitionTime", "lastTransitionTime", "lastProbeTime")
WORDS_DIFFER = frozenset(
    {
        "csi-node to spec/drivers/0/nodeID='two'",
        "csi-node to spec/drivers/0/topologyKeys=[]",
        "secret type='kubernetes.io/dockerconfigjson', data={'.dockerconfigjson': 'eA=='}",
    }
)
"""Cases whose messages show Go structs, or quote Go's JSON parser."""


def recorded() -> dict[str, JSON]:
    """What a real server said, by the cases' ids."""
    verdicts: dict[str, JSON] = orjson.loads(RECORDED.read_bytes())["verdicts"]
    return verdicts


async def verdict(place: Place, case: Case, name: str) -> JSON:
    """The answer to a case: the object that is stored, or what is wrong with it."""
    obj = case.object(place.unique(name))
    if case.update:
        obj = await place.made(case.resource, obj)
        if case.status is not None:
            full_name = obj["metadata"]["name"]
            written = await place.patch(case.resource, full_name, {"status": case.status}, subresource="status")
            assert written.status == 200, written
            obj = written.body
        answer = await place.update(case.resource, changed(obj, case.changes))
    else:
        answer = await place.create(case.resource, changed(obj, case.changes))
    if answer.status < 300:
        return {"status": answer.status, "object": stored(answer.body), "warnings": sorted(answer.warnings)}
    causes = (answer.body.get("details") or {}).get("causes") or ()
    told = {(each["field"], each["reason"], _words(case, each["message"])) for each in causes}
    reason = answer.body.get("reason", "")
    return {"status": answer.status, "reason": reason, "causes": sorted(list(each) for each in told)}


def stored(obj: JSON) -> JSON:
    """The object without what no two writes have in common."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OF_THE_SERVER}
    kept = {key: value for key, value in obj.items() if key != "metadata"}
    return {**_timeless(kept), "metadata": metadata}


def _timeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_timeless(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: "now" if key in _TIMES and each else _timeless(each) for key, each in value.items()}


def _words(case: Case, message: str) -> str:
    """The first line: messages go on with the difference of two Go structs, which nobody else can print."""
    if case.id in WORDS_DIFFER or '"Required":' in message or '"required":' in message:
        return "…"
    return message.partition("\n")[0]
