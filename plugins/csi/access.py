"""How a volume is to be used, in the words of Kubernetes and of CSI: pure.

Rule: the access modes of the external provisioner and of kubelet.
"""

from collections.abc import Sequence
from typing import Final

from model.volumes import VolumeSpec
from plugins.csi import csi_pb2 as pb
from plugins.errors import Failed

Mode = pb.VolumeCapability.AccessMode

_MODES: Final = {
    "ReadWriteOnce": Mode.SINGLE_NODE_WRITER,
    "ReadOnlyMany": Mode.MULTI_NODE_READER_ONLY,
    "ReadWriteMany": Mode.MULTI_NODE_MULTI_WRITER,
    "ReadWriteOncePod": Mode.SINGLE_NODE_WRITER,
}
_SHARPER: Final = {
    "ReadWriteOnce": Mode.SINGLE_NODE_MULTI_WRITER,
    "ReadWriteOncePod": Mode.SINGLE_NODE_SINGLE_WRITER,
}
"""Where the driver tells one pod of a node from several."""


def mode_of(access_mode: str, *, tells_pods_apart: bool) -> "pb.VolumeCapability.AccessMode.Mode":
    """The mode of CSI.

    Raises:
        Failed: it is none of Kubernetes' modes.
    """
    if access_mode not in _MODES:
        raise Failed(f"{access_mode!r} is no access mode")
    return _SHARPER.get(access_mode, _MODES[access_mode]) if tells_pods_apart else _MODES[access_mode]


def one_mode(access_modes: Sequence[str]) -> str:
    """The one access mode that a volume is attached or grown with, as there is none in CSI for several.

    Raises:
        Failed: it has none, or such as exclude each other.
    """
    modes = frozenset(access_modes)
    listed = ", ".join(sorted(modes))
    if not modes:
        raise Failed("the volume has no access mode")
    if len(modes) == 1:
        return next(iter(modes))
    if "ReadWriteOncePod" in modes:
        raise Failed(f"ReadWriteOncePod goes with no other access mode: the volume has {listed}")
    if "ReadWriteMany" in modes:
        return "ReadWriteMany"
    raise Failed(f"CSI knows no access mode that is all of {listed}")


def capabilities(
    access_modes: Sequence[str],
    volume_mode: str,
    *,
    fs_type: str = "",
    mount_flags: Sequence[str] = (),
    tells_pods_apart: bool = False,
) -> list[pb.VolumeCapability]:
    """One capability for each mode that a claim wants; ReadWriteOnce where it wants none.

    Raises:
        Failed: a mode is none.
    """
    modes = [mode_of(each, tells_pods_apart=tells_pods_apart) for each in access_modes or ("ReadWriteOnce",)]
    if volume_mode == "Block":
        block = pb.VolumeCapability.BlockVolume()
        return [pb.VolumeCapability(block=block, access_mode=Mode(mode=mode)) for mode in modes]
    mount = pb.VolumeCapability.MountVolume(fs_type=fs_type, mount_flags=mount_flags)
    return [pb.VolumeCapability(mount=mount, access_mode=Mode(mode=mode)) for mode in modes]


def capability_of(
    spec: VolumeSpec, *, default_fs_type: str = "", tells_pods_apart: bool = False
) -> pb.VolumeCapability:
    """How a volume that exists is attached or grown.

    Raises:
        Failed: its access modes have no equal in CSI.
    """
    (capability,) = capabilities(
        (one_mode(spec.access_modes or ()),),
        spec.volume_mode or "Filesystem",
        fs_type=(spec.csi.fs_type if spec.csi else "") or default_fs_type,
        mount_flags=spec.mount_options or (),
        tells_pods_apart=tells_pods_apart,
    )
    return capability
