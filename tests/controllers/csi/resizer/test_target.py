"""What a claim's volume is grown to: the table of the recovery from failed growths."""

import pytest

from controllers.csi.resizer.decide import Resizer, target
from tests.controllers.given import claim, volume

A, R = "6Gi", "8Gi"
SMALL, BETWEEN, LARGE = "5Gi", "7Gi", "8Gi"
CONTROLLER = Resizer("a.csi")
NODE = Resizer("a.csi", expands=False)


@pytest.mark.parametrize(
    ("status", "volume_size", "resizer", "failed", "size"),
    [
        ("NodeResizePending", SMALL, CONTROLLER, False, A),
        ("NodeResizePending", BETWEEN, CONTROLLER, False, None),
        ("NodeResizePending", LARGE, CONTROLLER, False, None),
        ("NodeResizeInProgress", SMALL, CONTROLLER, False, A),
        ("NodeResizeInProgress", LARGE, CONTROLLER, False, None),
        ("NodeResizeInfeasible", SMALL, CONTROLLER, False, A),
        ("NodeResizeInfeasible", LARGE, CONTROLLER, False, A),
        ("NodeResizeInfeasible", LARGE, NODE, False, R),
        ("NodeResizeInfeasible", SMALL, NODE, False, A),
        ("ControllerResizeInProgress", SMALL, CONTROLLER, False, A),
        ("ControllerResizeInProgress", SMALL, CONTROLLER, True, R),
        ("ControllerResizeInProgress", LARGE, CONTROLLER, False, A),
        ("ControllerResizeInProgress", LARGE, CONTROLLER, True, A),
        ("ControllerResizeInfeasible", SMALL, CONTROLLER, False, R),
        ("ControllerResizeInfeasible", LARGE, CONTROLLER, False, A),
        ("", SMALL, CONTROLLER, False, R),
        ("", LARGE, CONTROLLER, False, A),
    ],
)
def test_what_is_under_way_is_driven_to_its_end(status, volume_size, resizer, failed, size):
    assert target(wanting(A, status), of(volume_size), resizer, failed_for_good=failed) == size


@pytest.mark.parametrize(
    ("status", "volume_size", "size"),
    [
        ("NodeResizePending", SMALL, R),
        ("NodeResizePending", LARGE, None),
        ("NodeResizeInfeasible", LARGE, R),
        ("ControllerResizeInProgress", SMALL, R),
        ("ControllerResizeInfeasible", LARGE, R),
        ("", SMALL, R),
        ("", LARGE, R),
    ],
)
def test_where_no_size_was_written_down_what_is_asked_for_counts(status, volume_size, size):
    assert target(wanting(None, status), of(volume_size), CONTROLLER) == size


def test_a_file_system_that_waits_for_its_node_is_left_alone_even_without_a_status():
    pending = {"type": "FileSystemResizePending", "status": "True"}
    waiting = wanting(None, "", conditions=[pending])
    assert target(waiting, of(LARGE), CONTROLLER) is None
    assert target(waiting, of(SMALL), CONTROLLER) == R


def wanting(allocated, status, **more):
    known = {"allocatedResources": {"storage": allocated}} if allocated else {}
    statuses = {"allocatedResourceStatuses": {"storage": status}} if status else {}
    return claim(
        spec={"resources": {"requests": {"storage": R}}, "volumeName": "disk"},
        status={"phase": "Bound", "capacity": {"storage": "5Gi"}, **known, **statuses, **more},
    )


def of(size):
    return volume(spec={"capacity": {"storage": size}})
