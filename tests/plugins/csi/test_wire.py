"""The protocol's names and numbers, codes as kinds, and logs without secrets."""

from typing import Any

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.connection import socket_path
from plugins.csi.errors import kind_of
from plugins.csi.wire import Method, loggable
from plugins.errors import Exhausted, Failed, InDoubt, NotSupported, PluginError, StillInUse

METHODS = [each for each in vars(wire).values() if isinstance(each, Method) and each.service.startswith("csi.")]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_calls_have_the_types_of_the_protocol(method: Method[Any, Any]) -> None:
    service = pb.DESCRIPTOR.services_by_name[method.service.rpartition(".")[2]]
    described = service.methods_by_name[method.name]
    assert described.input_type is method.request.DESCRIPTOR
    assert described.output_type is method.answer.DESCRIPTOR
    assert method.path == f"/{method.service}/{method.name}"


@pytest.mark.parametrize("service", ["Identity", "Controller", "Node"])
def test_every_call_is_in_the_table(service: str) -> None:
    described = {method.name for method in pb.DESCRIPTOR.services_by_name[service].methods}
    assert described == {method.name for method in METHODS if method.service == f"csi.v1.{service}"}


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        (pb.CapacityRange(required_bytes=1, limit_bytes=2), "0801 1002"),
        (pb.CreateVolumeRequest(name="v"), "0a0176"),
        (pb.NodePublishVolumeRequest(target_path="t", readonly=True), "220174 3001"),
        (pb.GetCapacityResponse(available_capacity=5), "0805"),
        (pb.NodeServiceCapability(rpc={"type": "VOLUME_MOUNT_GROUP"}), "0a02 0806"),
    ],
)
def test_messages_are_encoded_by_the_specifications_numbers(message: Any, encoded: str) -> None:
    assert message.SerializeToString() == bytes.fromhex(encoded)


@pytest.mark.parametrize(
    ("method", "code", "kind"),
    [
        ("CreateVolume", StatusCode.RESOURCE_EXHAUSTED, Exhausted),
        ("CreateSnapshot", StatusCode.RESOURCE_EXHAUSTED, Exhausted),
        ("ControllerPublishVolume", StatusCode.RESOURCE_EXHAUSTED, InDoubt),
        ("CreateVolume", StatusCode.DEADLINE_EXCEEDED, InDoubt),
        ("CreateVolume", StatusCode.CANCELLED, InDoubt),
        ("CreateVolume", StatusCode.UNAVAILABLE, InDoubt),
        ("CreateVolume", StatusCode.ABORTED, InDoubt),
        ("CreateVolume", StatusCode.INVALID_ARGUMENT, Failed),
        ("CreateVolume", StatusCode.ALREADY_EXISTS, Failed),
        ("CreateVolume", StatusCode.INTERNAL, Failed),
        ("CreateVolume", StatusCode.UNKNOWN, Failed),
        ("NodeStageVolume", StatusCode.FAILED_PRECONDITION, Failed),
        ("NodeExpandVolume", StatusCode.FAILED_PRECONDITION, StillInUse),
        ("DeleteVolume", StatusCode.FAILED_PRECONDITION, StillInUse),
        ("ControllerGetVolume", StatusCode.UNIMPLEMENTED, NotSupported),
    ],
)
def test_codes_say_what_the_caller_may_do(method: str, code: StatusCode, kind: type[PluginError]) -> None:
    assert kind_of(method, code) is kind


def test_logs_show_the_keys_of_secrets_and_contexts_alone() -> None:
    request = pb.NodePublishVolumeRequest(
        volume_id="v",
        secrets={"password": "s3cret"},
        volume_context={"csi.storage.k8s.io/serviceAccount.tokens": "t0ken"},
        publish_context={"iqn": "x"},
        volume_capability=pb.VolumeCapability(mount=pb.VolumeCapability.MountVolume(mount_flags=["ro"])),
    )
    shown = loggable(request)
    assert shown["secrets"] == {"password": "***"}
    assert shown["volume_id"] == "v"
    assert shown["volume_capability"] == {"mount": {"mount_flags": ["ro"]}}
    assert "s3cret" not in str(shown)
    assert "t0ken" not in str(shown)


def test_every_field_of_secrets_is_marked() -> None:
    for method in METHODS:
        for field in method.request.DESCRIPTOR.fields:
            assert (field.name == "secrets") == field.GetOptions().Extensions[pb.csi_secret]


@pytest.mark.parametrize("endpoint", ["unix:///run/csi.sock", "unix:/run/csi.sock", "/run/csi.sock"])
def test_endpoints_are_sockets(endpoint: str) -> None:
    assert str(socket_path(endpoint)) == "/run/csi.sock"


@pytest.mark.parametrize("endpoint", ["", "tcp://1.2.3.4:5", "localhost:80", "unix://relative", "/" + "x" * 200])
def test_nothing_else_is_an_endpoint(endpoint: str) -> None:
    with pytest.raises(Failed):
        socket_path(endpoint)
