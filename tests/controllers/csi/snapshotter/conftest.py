"""The snapshot kinds, for as long as a test of snapshots runs."""

import pytest

from model.resources import SNAPSHOT_CLASSES, SNAPSHOT_CONTENTS, SNAPSHOTS
from tests.controllers.api import KINDS


@pytest.fixture(autouse=True)
def snapshot_kinds(monkeypatch):
    """Servers of other tests have none of them, and are asked about all kinds that are listed."""
    for resource in (SNAPSHOTS, SNAPSHOT_CONTENTS, SNAPSHOT_CLASSES):
        monkeypatch.setitem(KINDS, resource.kind, resource)
