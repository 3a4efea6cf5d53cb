"""Tables have the columns and cells that a real API server gave the same objects."""

import pytest

from sandbox.conversion import to_stored
from sandbox.tables import table
from tests.sandbox.records import recorded_at, shown

# They tell how long ago, to the second, and the recording took some.
AGES = {"Age", "Last Seen", "First Seen"}
SHOWN = shown()


def _table(each):
    objects = [to_stored(each.kind, row["object"]) for row in each.rows]
    return table(each.kind, objects, metadata={"resourceVersion": "7"}, now=recorded_at())


@pytest.mark.parametrize("each", SHOWN, ids=lambda each: each.kind.resource)
def test_the_columns_are_those_of_a_real_server(each):
    made = _table(each)
    assert [[c["name"], c["type"], c["format"], c["priority"]] for c in made["columnDefinitions"]] == each.columns


@pytest.mark.parametrize("each", [each for each in SHOWN if each.rows], ids=lambda each: each.kind.resource)
def test_the_cells_are_those_of_a_real_server(each):
    names = [name for name, *_ in each.columns]
    for row, recorded in zip(_table(each)["rows"], each.rows, strict=True):
        assert len(row["cells"]) == len(names)
        made = {name: cell for name, cell in zip(names, row["cells"], strict=True) if name not in AGES}
        wanted = {name: cell for name, cell in zip(names, recorded["cells"], strict=True) if name not in AGES}
        assert made == wanted
        assert row.get("conditions") == recorded.get("conditions")


def test_every_state_of_a_pod_was_recorded():
    (pods,) = [each for each in SHOWN if each.kind.kind == "Pod"]
    states = {row["cells"][2] for row in pods.rows}
    assert {"Running", "Completed", "CrashLoopBackOff", "Init:1/2", "Terminating", "Signal:9", "NotReady"} <= states
