"""What kubectl shows of it all: the tables and the events that a person expects who knows the stock sidecars."""

import json

import pytest
import pytest_asyncio

from model.resources import ATTACHMENTS, CLAIMS, SNAPSHOTS, VOLUMES
from tests.csi_live.conftest import NAME, NODE
from tests.csi_live.objects import attachment, claim, snapshot
from tests.sandbox.kubectl.tool import rows
from tests.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def shown(live):
    """A kubectl; and a claim that was made, snapshot, grown, and whose volume is attached."""
    await live.cluster.create(CLAIMS, claim("shown", "live"))
    _, volume = await live.cluster.bound("shown")
    await live.cluster.create(SNAPSHOTS, snapshot("shown", "shown", "kept-while-wanted"))
    await live.cluster.until(SNAPSHOTS, "shown", lambda each: each.status.ready_to_use)
    await live.cluster.create(ATTACHMENTS, attachment("shown", NAME, NODE, volume.name))
    await live.cluster.until(ATTACHMENTS, "shown", lambda each: each.status.attached)
    await live.cluster.merge(CLAIMS, "shown", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    await live.cluster.until(CLAIMS, "shown", lambda each: each.status.capacity == {"storage": "2Gi"})
    yield live.cluster.kubectl
    for resource in (ATTACHMENTS, SNAPSHOTS, CLAIMS):
        await live.cluster.delete(resource, "shown")
        await live.cluster.until_gone(resource, "shown")
    await live.cluster.until_gone(VOLUMES, volume.name)


async def test_describe_tells_the_story_of_a_claim(shown):
    for reason, teller in (
        ("ExternalProvisioning", "persistentvolume-controller"),
        ("Provisioning", NAME),
        ("ProvisioningSucceeded", NAME),
        ("Resizing", f"external-resizer {NAME}"),
        ("VolumeResizeSuccessful", f"external-resizer {NAME}"),
    ):
        _ = await eventually(lambda reason=reason, teller=teller: _tells(shown, "pvc", reason, teller))


async def test_describe_tells_the_story_of_a_snapshot(shown):
    for reason in ("CreatingSnapshot", "SnapshotCreated", "SnapshotReady"):
        _ = await eventually(lambda reason=reason: _tells(shown, "vs", reason, "snapshot-controller"))


async def test_get_has_a_row_for_each(shown):
    claims, volumes = rows(await shown("get", "pvc", "shown")), rows(await shown("get", "pv"))
    name = claims["shown"][2]
    assert claims["shown"][1:6] == ["Bound", name, "2Gi", "RWO", "live"]
    assert volumes[name][1:6] == ["2Gi", "RWO", "Delete", "Bound", "default/shown"]
    assert rows(await shown("get", "volumeattachment"))["shown"][1:5] == [NAME, name, NODE, "true"]
    taken = rows(await shown("get", "vs", "shown"))["shown"]
    assert taken[1:5] == ["true", "shown", "1Gi", "kept-while-wanted"]
    assert rows(await shown("get", "vsc"))[taken[5]][1:5] == ["true", "1073741824", "Delete", NAME]


async def test_a_claim_that_can_not_be_made_says_why(live):
    tool = live.cluster.kubectl
    await live.cluster.create(CLAIMS, claim("endless", "live", "101Gi"))
    _ = await eventually(lambda: _tells(tool, "pvc", "ProvisioningFailed", NAME, name="endless"))
    assert "are wanted" in await tool("describe", "pvc", "endless")
    assert json.loads(await tool("get", "pvc", "endless", "-o", "json"))["status"]["phase"] == "Pending"
    await live.cluster.delete(CLAIMS, "endless")


async def _tells(tool, kind, reason, teller, name="shown"):
    """Whether there is a line of an event with this reason by someone whose name begins so."""
    printed = await tool("describe", kind, name)
    lines = [line.split() for line in printed.splitlines()]
    return any(reason in line[1:2] and teller in " ".join(line) for line in lines)
