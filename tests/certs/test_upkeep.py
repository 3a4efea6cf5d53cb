"""What replicas do for their certificates on a real API server, whatever happens to what they keep."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509

from certs import authority
from certs.errors import BrokenAuthorityError
from certs.state import begin
from kube.client import Client, connect
from kube.config import load
from kube.errors import NotFound
from model.resources import SECRETS, VALIDATING_WEBHOOKS
from tests.certs.replicas import NAMESPACE, Installation, installed
from tests.controlplane.plane import ControlPlane
from tests.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.asyncio(loop_scope="session")]

_numbers = itertools.count(1)
DAY = timedelta(days=1)


@pytest_asyncio.fixture(loop_scope="session", name="client")
async def client_of_the_plane(control_plane: ControlPlane) -> AsyncIterator[Client]:
    async with connect(await load(control_plane.kubeconfig), field_manager="lading-webhooks") as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session", name="three")
async def three_replicas(client: Client, tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(client, f"upkeep-{next(_numbers)}", tmp_path, every_seconds=30.0) as installation:
        await eventually(installation.is_sound)
        yield installation


async def test_three_replicas_that_start_at_once_make_one_authority(three: Installation) -> None:
    found = await three.authorities()
    assert found.generation == 1
    assert len({replica.leaf().issuer for replica in three.replicas}) == 1
    assert len({replica.leaf().serial_number for replica in three.replicas}) == 3
    (bundle,) = await three.bundles()
    assert bundle == found.bundle
    assert sum(replica.metric("lading_certs_emergencies_total") for replica in three.replicas) == 0


async def test_only_the_bundle_is_ours_in_a_registration(three: Installation) -> None:
    stored = await three.client.get(VALIDATING_WEBHOOKS, three.name)
    assert [hook.client_config.url for hook in stored.webhooks or ()] == ["https://127.0.0.1:1/validate"] * 2


async def test_a_pass_that_finds_all_in_order_writes_nothing(three: Installation) -> None:
    before = (await three.client.get(SECRETS, three.name, NAMESPACE)).metadata.resource_version
    leaves = [replica.leaf().serial_number for replica in three.replicas]
    for replica in three.replicas:
        await replica.upkeep.once()
    assert (await three.client.get(SECRETS, three.name, NAMESPACE)).metadata.resource_version == before
    assert [replica.leaf().serial_number for replica in three.replicas] == leaves


async def deleted(three: Installation) -> None:
    await three.client.delete(SECRETS, three.name, NAMESPACE)


async def emptied(three: Installation) -> None:
    await three.write_secret({})


async def truncated(three: Installation) -> None:
    files = await three.secret()
    await three.write_secret({**files, "signing.key": files["signing.key"][:60]})


async def mismatched(three: Installation) -> None:
    other = authority.create("lading", 9, three.time())
    await three.write_secret({**await three.secret(), "signing.key": other.key_pem})


async def foreign(three: Installation) -> None:
    other = authority.create("other", 9, three.time())
    files = await three.secret()
    await three.write_secret({**files, "signing.crt": b"no certificate", "signing.key": other.key_pem})


@pytest.mark.parametrize("harm", [deleted, emptied, truncated, mismatched, foreign])
async def test_what_becomes_of_the_secret_is_mended_and_trust_stays(
    three: Installation, harm: Callable[[Installation], Any]
) -> None:
    before = await three.authorities()
    await harm(three)

    async def mended() -> bool:
        try:
            return (await three.authorities()).bundle == before.bundle
        except (BrokenAuthorityError, NotFound):
            return False

    await eventually(mended)
    await eventually(three.is_sound)
    assert (await three.authorities()).signing.certificate == before.signing.certificate
    assert sum(replica.metric("lading_certs_emergencies_total") for replica in three.replicas) == 0


async def test_a_replica_that_starts_beside_a_damaged_secret_begins_anew(client: Client, tmp_path: Path) -> None:
    name = f"upkeep-{next(_numbers)}"
    async with installed(client, name, tmp_path, replicas=2, running=False) as two:
        first, second = two.replicas
        await first.upkeep.once()
        await truncated(two)
        await second.upkeep.once()
        assert second.metric("lading_certs_emergencies_total") == 1
        await first.upkeep.once()
        assert await two.is_sound()
        assert first.leaf().issuer != second.leaf().issuer, "the first one's stays good until it is old enough"


async def test_an_authority_that_is_put_in_the_place_of_ours_overlaps_with_it(three: Installation) -> None:
    """As a restored backup or another installation does: no certificate that is served meanwhile loses its trust."""
    before = await three.authorities()
    other = begin("other", three.time())
    await three.write_secret(other.files())

    async def both() -> bool:
        (bundle, *more) = await three.bundles()
        trusted = x509.load_pem_x509_certificates(bundle)
        return not more and trusted == [before.signing.certificate, other.signing.certificate]

    await eventually(both)
    await eventually(three.is_sound)
    assert (await three.authorities()).signing.certificate == other.signing.certificate


async def test_a_bundle_that_is_emptied_is_filled_at_once(three: Installation) -> None:
    (bundle,) = await three.bundles()
    await three.empty_bundles()

    async def filled() -> bool:
        return await three.bundles() == {bundle}

    await eventually(filled)
    assert sum(each.metric("lading_certs_changes_total", kind="injection") for each in three.replicas) >= 4


@pytest.mark.parametrize("days", [4, 190, 250, 364, 400, 4000, -1, -400])
async def test_a_clock_that_jumps_is_followed(client: Client, tmp_path: Path, days: int) -> None:
    async with installed(client, f"upkeep-{next(_numbers)}", tmp_path, replicas=2, running=False) as two:
        for replica in two.replicas:
            await replica.upkeep.once()
        two.time.moved = days * DAY
        for _ in range(2):
            for replica in two.replicas:
                await replica.upkeep.once()
        assert await two.is_sound()
        two.time.moved = timedelta()  # and back again
        for _ in range(2):
            for replica in two.replicas:
                await replica.upkeep.once()
        assert await two.is_sound()


async def test_the_end_of_every_certificate_is_a_metric(three: Installation) -> None:
    (replica, *_) = three.replicas
    year, week = 365 * 86400, 7 * 86400
    assert year - 600 < replica.metric("lading_certs_expiry_seconds", certificate="signing") <= year
    assert week - 600 < replica.metric("lading_certs_expiry_seconds", certificate="webhooks") <= week
    assert replica.registry.get_sample_value("lading_certs_expiry_seconds", {"certificate": "next"}) is None
    three.time.moved = 190 * DAY
    assert replica.upkeep.complaint() == "the certificate has expired"
    await replica.upkeep.once()
    assert replica.upkeep.complaint() is None
    assert replica.registry.get_sample_value("lading_certs_expiry_seconds", {"certificate": "next"}) is not None


async def test_writes_that_others_preceded_are_tried_again(client: Client, tmp_path: Path) -> None:
    async with installed(client, f"upkeep-{next(_numbers)}", tmp_path, replicas=8, running=False) as eight:
        await asyncio.gather(*(replica.upkeep.once() for replica in eight.replicas))
        for replica in eight.replicas:
            await replica.upkeep.once()
        assert await eight.is_sound()
        assert (await eight.authorities()).generation == 1
        assert sum(replica.metric("lading_certs_conflicts_total") for replica in eight.replicas) > 0


async def test_whoever_verifies_with_any_bundle_of_a_rotation_accepts_what_is_served_then(
    client: Client, tmp_path: Path
) -> None:
    """Day by day for three years: the certificates of all replicas, beside the bundle that was in force a day ago."""
    async with installed(client, f"upkeep-{next(_numbers)}", tmp_path, replicas=2, running=False) as two:
        late: bytes | None = None
        generations = set()
        for day in range(0, 1100, 3):
            two.time.moved = day * DAY
            for replica in two.replicas:
                await replica.upkeep.once()
                if late is not None:
                    assert two._is_served_by(replica, x509.load_pem_x509_certificates(late)), day
            (late,) = await two.bundles()
            generations.add((await two.authorities()).generation)
        assert len(generations) > 3
