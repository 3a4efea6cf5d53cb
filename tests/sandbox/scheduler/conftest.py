"""An API server without HTTP, and certificates for an extender."""

import pytest

from tests.sandbox.certificates import Certificates
from tests.sandbox.world import api_server


@pytest.fixture
async def api():
    async with api_server() as made:
        yield made


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))
