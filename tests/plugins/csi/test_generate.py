"""The message modules are what the protocol files say."""

from pathlib import Path

import pytest

from plugins.csi.generate import PROTOCOLS, generate

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    generate(ROOT, folder)
    return folder


@pytest.mark.parametrize("suffix", ["_pb2.py", "_pb2.pyi"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_kept_modules_are_those_that_the_compiler_makes(made: Path, protocol: str, suffix: str) -> None:
    name = protocol.removesuffix(".proto") + suffix
    assert (ROOT / name).read_text() == (made / name).read_text()
