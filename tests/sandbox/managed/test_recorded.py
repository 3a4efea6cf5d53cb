"""Sequences of writes leave the owners, conflicts and lists that they left on a real API server."""

import copy
from datetime import UTC, datetime

import orjson
import pytest

from sandbox import managed
from sandbox.errors import ApiError
from sandbox.patch import APPLY_PATCH, MERGE_PATCH, STRATEGIC_PATCH, PatchOptions, apply_patch
from tests.sandbox.records import kind_of, write_sequences

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTENT_TYPES = {"merge": MERGE_PATCH, "strategic": STRATEGIC_PATCH, "apply": APPLY_PATCH, "force": APPLY_PATCH}
# What the server itself sets is no matter of patches and owners.
OF_THE_SERVER = ("resourceVersion", "generation", "uid", "creationTimestamp", "managedFields")
SEQUENCES = write_sequences()


def _deployment_defaults(obj):
    """The defaults that these objects meet."""
    obj["spec"].setdefault("replicas", 1)
    for container in obj["spec"]["template"]["spec"]["containers"]:
        container.setdefault("imagePullPolicy", "Always")
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")


def _defaults(kind):
    return _deployment_defaults if kind.kind == "Deployment" else lambda _: None


def _write(kind, step, current):
    """What the sandbox makes of a step, or the ApiError."""
    if step["operation"] in {"post", "put"}:
        # The object as the server read and defaulted it: finalizers and owners came later.
        sent = copy.deepcopy(step["result"])
        sent["metadata"].pop("managedFields", None)
        if "finalizers" not in step["body"]["metadata"]:
            sent["metadata"].pop("finalizers", None)
        return managed.track(kind, current, sent, manager=step["manager"], now=NOW)
    force = step["operation"] == "force"
    options = PatchOptions(
        CONTENT_TYPES[step["operation"]], step["manager"], NOW, force=force, defaults=_defaults(kind)
    )
    return apply_patch(kind, orjson.dumps(step["body"]), current, options).value


def _owners(obj):
    given = obj["metadata"].get("managedFields", ())
    entries = [{key: value for key, value in entry.items() if key != "time"} for entry in given]
    return sorted(entries, key=lambda entry: orjson.dumps(entry, option=orjson.OPT_SORT_KEYS))


def _content(obj):
    metadata = {key: value for key, value in obj["metadata"].items() if key not in OF_THE_SERVER}
    return {**obj, "metadata": metadata}


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda each: each["steps"][0]["body"]["metadata"]["name"])
def test_a_sequence_of_writes_ends_as_on_a_real_server(sequence):
    kind, current = kind_of(sequence["kind"]), None
    for step in sequence["steps"]:
        if "conflicts" in step:
            with pytest.raises(ApiError) as raised:
                _write(kind, step, current)
            causes = raised.value.details["causes"]
            assert sorted(f"{each['field']}: {each['message']}" for each in causes) == step["conflicts"]
            continue
        result = _write(kind, step, current)
        assert _owners(result) == _owners(step["result"])
        if current is not None:
            assert _content(result) == _content(step["result"])
        current = step["result"]


def test_the_recording_has_conflicts_and_every_operation():
    steps = [step for sequence in SEQUENCES for step in sequence["steps"]]
    assert {step["operation"] for step in steps} == {"post", "put", *CONTENT_TYPES}
    assert sum("conflicts" in step for step in steps) > 10
