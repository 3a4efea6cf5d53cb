"""Which class's attributes a volume is given, row by row."""

import pytest

from controllers.csi.memory import Memory
from controllers.csi.modifier.decide import GiveUp, Modify, Nothing, NotThere, Slowly, decide, secret_of, wakes
from model import names
from tests.controllers.given import claim, volume

DRIVER = "a.csi"
MODIFYING = [{"type": "ModifyingVolume", "status": "True"}]
FORGOTTEN, FAILED = Memory(), Memory(failed_for_good=True)
INFEASIBLE = Memory(failed_for_good=True, infeasible=True)


def given(wanted, current=None, target=None, status="InProgress", conditions=(), phase="Bound"):
    under_way = {"modifyVolumeStatus": {"status": status, "targetVolumeAttributesClassName": target}}
    return claim(
        spec={"volumeName": "disk", "volumeAttributesClassName": wanted},
        status={
            "phase": phase,
            "currentVolumeAttributesClassName": current,
            "conditions": list(conditions),
            **(under_way if target is not None else {}),
        },
    )


def disk(driver=DRIVER, uid="uid-data"):
    reference = {"namespace": "ns", "name": "data", "uid": uid}
    return volume(spec={"csi": {"driver": driver, "volumeHandle": "h"}, "claimRef": reference})


ROWS = [
    ("as it should be", given("gold", "gold"), FORGOTTEN, None),
    ("does not care", given(None), FORGOTTEN, None),
    ("is not bound", given("gold", phase="Pending"), FORGOTTEN, None),
    ("asks for the first", given("gold"), FORGOTTEN, ("gold", True)),
    ("asks for another", given("gold", "silver"), FORGOTTEN, ("gold", True)),
    ("under way", given("gold", "silver", "gold"), FORGOTTEN, ("gold", False)),
    ("under way, asks for another", given("bronze", "silver", "gold"), FORGOTTEN, ("gold", False)),
    ("under way, asks for none", given(None, None, "gold"), FORGOTTEN, ("gold", False)),
    ("failed, asks for another", given("bronze", "silver", "gold"), FAILED, ("bronze", True)),
    ("failed, asks for the same", given("gold", "silver", "gold"), FAILED, ("gold", True)),
    ("failed, asks for none", given(None, None, "gold"), FAILED, ("gold", False)),
    ("infeasible, asks for another", given("bronze", "silver", "gold", "Infeasible"), INFEASIBLE, ("bronze", True)),
    ("infeasible, asks for the first", given("silver", "silver", "gold", "Infeasible"), INFEASIBLE, ("silver", True)),
    ("infeasible before a restart", given("gold", "silver", "gold", "Infeasible"), FORGOTTEN, ("gold", True)),
    ("class was missing", given("gold", "silver", "", "Pending"), FORGOTTEN, ("gold", True)),
]


@pytest.mark.parametrize(("wanting", "memory", "then"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_done(wanting, memory, then):
    action = decide(wanting, disk(), DRIVER, memory)
    if then is None:
        assert action == Nothing()
    else:
        assert isinstance(action, Modify)
        assert (action.class_name, action.anew) == then


def test_what_can_not_be_rests():
    assert decide(given("gold", "silver", "gold", "Infeasible"), disk(), DRIVER, INFEASIBLE) == Slowly()


def test_what_is_asked_for_no_more_is_given_up_once():
    wanting = given(None, None, "gold", "Infeasible", MODIFYING)
    assert decide(wanting, disk(), DRIVER, FORGOTTEN) == GiveUp(wanting)
    assert decide(given(None, None, "gold", "Infeasible"), disk(), DRIVER, FORGOTTEN) == Nothing()


def test_what_is_anothers_is_left_alone():
    assert isinstance(decide(given("gold"), None, DRIVER, FORGOTTEN), NotThere)
    assert decide(given("gold"), disk("b.csi"), DRIVER, FORGOTTEN) == Nothing()
    assert decide(given("gold"), disk(uid="another"), DRIVER, FORGOTTEN) == Nothing()
    assert decide(given("gold"), volume(spec={"nfs": {}}), DRIVER, FORGOTTEN) == Nothing()


def test_progress_wakes_nobody_and_its_end_does():
    before = given("gold", "silver")
    assert not wakes(before, given("gold", "silver", conditions=MODIFYING))
    assert wakes(before, given("gold", "silver", "gold"))
    assert wakes(before, given("bronze", "silver"))
    assert wakes(None, before)


def test_the_secret_needs_both_of_its_names():
    keys = {names.MODIFY_SECRET_NAME: "s", names.MODIFY_SECRET_NAMESPACE: "n"}
    found = secret_of(volume(metadata={"annotations": keys}))
    assert found is not None
    assert str(found) == "n/s"
    assert secret_of(volume(metadata={"annotations": {names.MODIFY_SECRET_NAME: "s"}})) is None
