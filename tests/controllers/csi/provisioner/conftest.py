"""What tests of the provisioner need."""

import pytest

from model.resources import ATTRIBUTES_CLASSES, CAPACITIES, CONFIG_MAPS, SNAPSHOT_CONTENTS, SNAPSHOTS
from tests.controllers.api import KINDS


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further kinds that are made and looked at."""
    for resource in (ATTRIBUTES_CLASSES, CAPACITIES, CONFIG_MAPS, SNAPSHOT_CONTENTS, SNAPSHOTS):
        monkeypatch.setitem(KINDS, resource.kind, resource)
