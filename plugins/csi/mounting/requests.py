"""The requests that a node makes of a driver, from what the API says: pure.

Rule: the requests that kubelet builds. Attributes are copied before a pod's facts are added, as they are the volume's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import orjson

from plugins.csi import csi_pb2 as pb
from plugins.csi import names
from plugins.csi.access import mode_of
from plugins.errors import Failed
from plugins.source import PodFacts, Source


class SecretReference(msgspec.Struct):
    """Where a secret is; a pod's own volume names one of the pod's namespace."""

    name: str = ""
    namespace: str = ""


class Fields(msgspec.Struct, rename="camel"):
    """A csi source, of a pod or of a PersistentVolume."""

    driver: str = ""
    volume_handle: str = ""
    fs_type: str = ""
    read_only: bool | None = None
    volume_attributes: dict[str, str] | None = None
    node_stage_secret_ref: SecretReference | None = None
    node_publish_secret_ref: SecretReference | None = None
    node_expand_secret_ref: SecretReference | None = None


class TokenRequest(msgspec.Struct, rename="camel", frozen=True):
    """A token that a driver wants for each pod."""

    audience: str = ""
    expiration_seconds: int | None = None


class DriverSpec(msgspec.Struct, rename="camel", frozen=True):
    """spec of a CSIDriver; the values here are those that count where there is no such object."""

    attach_required: bool = True
    pod_info_on_mount: bool = False
    volume_lifecycle_modes: tuple[str, ...] = ("Persistent",)
    fs_group_policy: str = "ReadWriteOnceWithFSType"
    token_requests: tuple[TokenRequest, ...] = ()
    requires_republish: bool = False
    service_account_token_in_secrets: bool = False


@dataclass(frozen=True)
class Context:
    """What else goes into a request."""

    publish: Mapping[str, str] = field(default_factory=dict)
    """What attaching answered."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """By audience: `token` and `expirationTimestamp`."""


def capability(source: Source, node_has: frozenset[str], fs_group: int | None = None) -> pb.VolumeCapability:
    """How the volume is used: by its first access mode; a pod's own is read and written on this node.

    Raises:
        Failed: the mode is none.
    """
    first = source.access_modes[0] if source.access_modes else "ReadWriteOnce"
    sharper = "SINGLE_NODE_MULTI_WRITER" in node_has
    mode = pb.VolumeCapability.AccessMode(mode=mode_of(first, tells_pods_apart=sharper))
    if source.volume_mode == "Block":
        return pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume(), access_mode=mode)
    group = str(fs_group) if fs_group is not None and "VOLUME_MOUNT_GROUP" in node_has else ""
    mount = pb.VolumeCapability.MountVolume(
        fs_type=source.fields(Fields).fs_type, mount_flags=source.mount_options, volume_mount_group=group
    )
    return pb.VolumeCapability(mount=mount, access_mode=mode)


def stage(
    source: Source, path: str, node_has: frozenset[str], context: Context, fs_group: int | None
) -> pb.NodeStageVolumeRequest:
    """To stage a volume."""
    fields = source.fields(Fields)
    return pb.NodeStageVolumeRequest(
        volume_id=fields.volume_handle,
        publish_context=context.publish,
        staging_target_path=path,
        volume_capability=capability(source, node_has, fs_group),
        secrets=context.secrets,
        volume_context=fields.volume_attributes or {},
    )


def publish(
    source: Source,
    handle: str,
    paths: tuple[str, str],
    node_has: frozenset[str],
    spec: DriverSpec,
    pod: PodFacts,
    context: Context,
) -> pb.NodePublishVolumeRequest:
    """To publish a volume; the paths are where it is staged ("" where it is not) and where the pod finds it."""
    fields = source.fields(Fields)
    volume_context = dict(fields.volume_attributes or {})
    if spec.pod_info_on_mount:
        volume_context |= _facts(pod, ephemeral=not source.persistent)
    secrets = dict(context.secrets)
    if context.tokens and source.volume_mode != "Block":
        text = orjson.dumps(context.tokens, option=orjson.OPT_SORT_KEYS).decode()
        (secrets if spec.service_account_token_in_secrets else volume_context)[names.TOKENS] = text
    return pb.NodePublishVolumeRequest(
        volume_id=handle,
        publish_context=context.publish,
        staging_target_path=paths[0],
        target_path=paths[1],
        volume_capability=capability(source, node_has, pod.fs_group),
        readonly=source.read_only,
        secrets=secrets,
        volume_context=volume_context,
    )


def gives_group(source: Source, spec: DriverSpec, node_has: frozenset[str]) -> bool:
    """Whether the node, rather than the driver or nobody, gives the files to the pod's group."""
    if source.read_only or "VOLUME_MOUNT_GROUP" in node_has:
        return False
    match spec.fs_group_policy:
        case "File":
            return True
        case "None":
            return False
        case "ReadWriteOnceWithFSType":
            single = not source.persistent or bool({"ReadWriteOnce", "ReadWriteOncePod"} & set(source.access_modes))
            return single and bool(source.fields(Fields).fs_type)
        case other:
            raise Failed(f"the driver's fsGroupPolicy is {other!r}")


def _facts(pod: PodFacts, *, ephemeral: bool) -> dict[str, str]:
    return {
        names.POD_NAME: pod.name,
        names.POD_NAMESPACE: pod.namespace,
        names.POD_UID: pod.uid,
        names.SERVICE_ACCOUNT: pod.service_account,
        names.EPHEMERAL: "true" if ephemeral else "false",
    }
