"""Where a node keeps CSI volumes, and what it writes beside them so that it can take them away after a restart.

Rule: kubelet's layout, as drivers and other programs on the node know it.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from plugins import folders
from plugins.errors import Failed
from plugins.source import path_part

PLUGIN: Final = "kubernetes.io/csi"
DATA: Final = "vol_data.json"

_MODE: Final = 0o750
_DATA_BYTES: Final = 1 << 20


def attachment_name(handle: str, driver: str, node: str) -> str:
    """The name of the VolumeAttachment."""
    return f"csi-{hashlib.sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"


def ephemeral_handle(pod_uid: str, name: str) -> str:
    """The handle of a pod's own volume."""
    return f"csi-{hashlib.sha256(f'{pod_uid}{name}'.encode()).hexdigest()}"


def staging_path(root: Path, driver: str, handle: str) -> Path:
    """Where a volume is staged for the node; its data file is beside."""
    digest = hashlib.sha256(handle.encode()).hexdigest()
    return root / "plugins" / PLUGIN / path_part(driver) / digest / "globalmount"


def devices_folder(root: Path) -> Path:
    """Where block devices are staged and published."""
    return root / "plugins" / PLUGIN / "volumeDevices"


def is_ours(root: Path, staging: Path) -> bool:
    """Whether a staging path is one of those."""
    parts = staging.relative_to(root).parts if staging.is_relative_to(root) else ()
    return len(parts) == 6 and parts[:3] == ("plugins", *PLUGIN.split("/")) and parts[5] == "globalmount"


def write(folder: Path, facts: Mapping[str, str]) -> None:
    """Write the data file of a folder, which is made where it is missing; whole or not at all."""
    with folders.explained(f"write {folder / DATA}"):
        folder.mkdir(_MODE, parents=True, exist_ok=True)
        beside = folder / f".{DATA}"
        with beside.open("wb") as file:
            file.write(orjson.dumps(dict(facts), option=orjson.OPT_SORT_KEYS))
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o600)
        beside.replace(folder / DATA)


def read(folder: Path) -> dict[str, str] | None:
    """The data file of a folder; None where there is none.

    Raises:
        Failed: it can not be read.
    """
    try:
        with (folder / DATA).open("rb") as file:
            found = orjson.loads(file.read(_DATA_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise Failed(f"{folder / DATA} can not be read: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Failed(f"{folder / DATA} is no object of texts")
    return found


def remove(folder: Path, mount_point: str = "") -> None:
    """Remove the mount point, the data file and the folder, in this order; what else is in it stays."""
    with folders.explained(f"remove {folder}"):
        if mount_point:
            with suppress(FileNotFoundError):
                (folder / mount_point).rmdir()
        for name in (DATA, f".{DATA}"):
            with suppress(FileNotFoundError):
                (folder / name).unlink()
        with suppress(FileNotFoundError):
            folder.rmdir()
