"""The contract around the calls: defaults, directories, what is remembered."""

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.errors import Failed, InDoubt, NotSupported
from plugins.flexvolume.driver import Driver, Missing
from plugins.flexvolume.options import secret_of, to_argument
from plugins.host import Host, Secret
from plugins.protocol import Expanded
from plugins.source import of_pod
from tests.plugins.flexvolume.conftest import FAILURE, SUCCESS, UNSUPPORTED, flex
from tests.plugins.mounts import RecordedMounts, RecordedOwnership
from tests.plugins.objects import pod

TARGET = "pods/uid-1/volumes/acme.io~disk/pv-a"


async def test_waiting_returns_the_drivers_device_even_when_it_left_it_out(driver: Any) -> None:
    loaded, _ = driver({"waitforattach": [SUCCESS, UNSUPPORTED]})
    assert await loaded.wait_for_attach(flex(), "/dev/x", 20) == ""
    assert await loaded.wait_for_attach(flex(), "/dev/x", 20) == "/dev/x"


async def test_what_is_attached_is_told_by_name(driver: Any) -> None:
    said = [{"response": {"status": "Success", "attached": True}}, SUCCESS]
    loaded, _ = driver({"isattached": said})
    assert await loaded.attached([flex("a"), flex("b")], "n1") == {"a": True, "b": False}


async def test_without_an_opinion_nothing_is_detached_and_no_other_is_asked(driver: Any) -> None:
    loaded, record = driver({"isattached": UNSUPPORTED})
    assert await loaded.attached([flex("a"), flex("b")], "n1") is None
    assert len(record.calls()) == 1


async def test_one_error_leaves_the_whole_group_without_conclusion(driver: Any) -> None:
    loaded, _ = driver({"isattached": [SUCCESS, FAILURE]})
    with pytest.raises(Failed):
        await loaded.attached([flex("a"), flex("b")], "n1")


async def test_detaching_carries_the_name_and_no_options(driver: Any) -> None:
    loaded, record = driver({"detach": SUCCESS})
    await loaded.detach("pv-a", "n1")
    assert record.calls() == [["detach", "pv-a", "n1"]]


async def test_a_driver_without_attach_is_never_asked_to(driver: Any) -> None:
    loaded, record = driver({}, attach=False)
    for call in (
        loaded.attach(flex(), "n1"),
        loaded.detach("pv-a", "n1"),
        loaded.attached([flex()], "n1"),
        loaded.wait_for_attach(flex(), "", 1),
        loaded.mount_device(flex(), "", Path("/x")),
    ):
        with pytest.raises(NotSupported):
            await call
    assert record.calls() == []


async def test_a_device_is_mounted_by_the_driver(
    driver: Any, recorded_host: Host, recorded_mounts: RecordedMounts
) -> None:
    loaded, record = driver({"mountdevice": SUCCESS, "getvolumename": SUCCESS})
    path = await loaded.device_mount_path(flex())
    assert path == recorded_host.root / "plugins/kubernetes.io/flexvolume/acme.io/disk/mounts/pv-a"
    await loaded.mount_device(flex(), "/dev/x", path)
    assert record.calls()[-1][:3] == ["mountdevice", str(path), "/dev/x"]
    assert recorded_mounts.actions == []


@pytest.mark.parametrize(("device", "expected"), [("", []), ("/dev/x", ["format_and_mount", "/dev/x"])])
async def test_without_mountdevice_a_device_is_formatted_and_mounted(
    driver: Any, tmp_path: Path, recorded_mounts: RecordedMounts, device: str, expected: list[str]
) -> None:
    loaded, _ = driver({"mountdevice": UNSUPPORTED})
    await loaded.mount_device(flex(source={"fsType": "xfs"}, read_only=True), device, tmp_path / "staged")
    assert [action[:2] + action[3:] for action in recorded_mounts.actions] == (
        [[*expected, "xfs", "ro"]] if device else []
    )


async def test_a_mounted_device_is_not_mounted_again(
    driver: Any, tmp_path: Path, recorded_mounts: RecordedMounts
) -> None:
    loaded, record = driver({})
    (tmp_path / "staged").mkdir()
    recorded_mounts.mounted.append(tmp_path / "staged")
    await loaded.mount_device(flex(), "/dev/x", tmp_path / "staged")
    assert record.calls() == []


async def test_the_directory_of_a_failed_mountdevice_is_left(driver: Any, tmp_path: Path) -> None:
    loaded, _ = driver({"mountdevice": FAILURE})
    with pytest.raises(Failed, match="backend busy"):
        await loaded.mount_device(flex(), "/dev/x", tmp_path / "staged")
    assert (tmp_path / "staged").is_dir()


async def test_a_device_that_is_not_mounted_is_not_unmounted_by_the_driver(driver: Any, tmp_path: Path) -> None:
    loaded, record = driver({})
    await loaded.unmount_device(tmp_path / "none")
    (tmp_path / "staged").mkdir()
    await loaded.unmount_device(tmp_path / "staged")
    assert record.calls() == []
    assert not (tmp_path / "staged").exists()


@pytest.mark.parametrize(("answer", "actions"), [(SUCCESS, 0), (UNSUPPORTED, 1), ({**SUCCESS, "removes_dir": True}, 0)])
async def test_unmounting_a_device_ends_without_its_directory(
    driver: Any, tmp_path: Path, recorded_mounts: RecordedMounts, answer: dict[str, Any], actions: int
) -> None:
    loaded, record = driver({"unmountdevice": answer})
    (tmp_path / "staged").mkdir()
    recorded_mounts.mounted.append(tmp_path / "staged")
    await loaded.unmount_device(tmp_path / "staged")
    assert record.calls() == [["unmountdevice", str(tmp_path / "staged")]]
    assert len(recorded_mounts.actions) == actions
    assert not (tmp_path / "staged").exists()


@pytest.mark.parametrize("answer", [FAILURE, {"stdout": "garbage"}])
async def test_after_a_failed_mount_the_directory_is_gone(
    driver: Any, recorded_host: Host, answer: dict[str, Any]
) -> None:
    loaded, _ = driver({"mount": answer})
    with pytest.raises((Failed, InDoubt)):
        await loaded.mount(flex(), pod())
    assert not (recorded_host.root / TARGET).exists()


async def test_a_failed_default_mount_leaves_no_directory(
    driver: Any, recorded_host: Host, recorded_mounts: RecordedMounts
) -> None:
    loaded, _ = driver({"mount": UNSUPPORTED, "getvolumename": SUCCESS})
    recorded_mounts.fail_next = True
    with pytest.raises(Failed, match="no such device"):
        await loaded.mount(flex(), pod())
    assert not (recorded_host.root / TARGET).exists()


async def test_a_mounted_volume_is_not_mounted_again(
    driver: Any, recorded_host: Host, recorded_mounts: RecordedMounts
) -> None:
    loaded, record = driver({})
    (recorded_host.root / TARGET).mkdir(parents=True)
    recorded_mounts.mounted.append(recorded_host.root / TARGET)
    await loaded.mount(flex(), pod())
    assert record.calls() == []


async def test_mount_options_are_refused(driver: Any) -> None:
    loaded, record = driver({})
    with pytest.raises(Failed, match="mount options"):
        await loaded.mount(flex(mountOptions=["noatime"]), pod())
    assert record.calls() == []


@pytest.mark.parametrize(("read_only", "fs_group"), [(True, True), (False, False)])
async def test_no_walk_where_it_is_read_only_or_the_driver_forbids_it(
    driver: Any, recorded_host: Host, read_only: bool, fs_group: bool
) -> None:
    loaded, _ = driver({"mount": SUCCESS}, fs_group=fs_group)
    await loaded.mount(flex(read_only=read_only), pod(fs_group=1))
    assert isinstance(recorded_host.ownership, RecordedOwnership)
    assert recorded_host.ownership.walks == []


async def test_the_driver_is_asked_to_unmount_what_is_not_mounted(driver: Any, recorded_host: Host) -> None:
    loaded, record = driver({"unmount": UNSUPPORTED})
    (recorded_host.root / TARGET).mkdir(parents=True)
    await loaded.unmount("pv-a", "uid-1")
    assert record.calls() == [["unmount", str(recorded_host.root / TARGET)]]
    assert not (recorded_host.root / TARGET).exists()


async def test_files_that_a_driver_leaves_behind_are_never_removed(driver: Any, recorded_host: Host) -> None:
    loaded, _ = driver({"unmount": SUCCESS})
    (recorded_host.root / TARGET).mkdir(parents=True)
    (recorded_host.root / TARGET / "file").write_text("precious")
    with pytest.raises(Failed, match="not empty"):
        await loaded.unmount("pv-a", "uid-1")


async def test_a_controller_names_a_relative_mount_directory(driver: Any) -> None:
    loaded, record = driver({"getvolumename": SUCCESS, "expandvolume": UNSUPPORTED}, requires_fs_resize=False)
    assert await loaded.expand(flex(), 20, 10) == Expanded(20, node_expansion_required=False)
    name, expand = record.calls()
    assert name[0] == "getvolumename"
    assert [expand[0], *expand[2:]] == ["expandvolume", "acme.io/disk/mounts/pv-a", "20", "10"]


async def test_a_volume_that_can_not_be_named_does_not_grow(driver: Any) -> None:
    loaded, record = driver({"getvolumename": FAILURE})
    with pytest.raises(Failed, match="getvolumename command failed"):
        await loaded.expand(flex(), 20, 10)
    assert len(record.calls()) == 1


async def test_a_missing_driver_leaves_growing_to_the_node() -> None:
    assert await Missing().expand(flex(), 20, 10) == Expanded(20, node_expansion_required=True)


async def test_the_node_grows_file_systems_alone(driver: Any, recorded_mounts: RecordedMounts) -> None:
    loaded, record = driver({"expandfs": UNSUPPORTED})
    await loaded.expand_on_node(flex(volumeMode="Block"), "/dev/x", Path("/m"), 20, 10)
    assert recorded_mounts.actions == []
    await loaded.expand_on_node(flex(), "/dev/x", Path("/m"), 20, 10)
    assert recorded_mounts.actions == [["grow", "/dev/x", "/m"]]
    assert record.calls()[0][2:] == ["/dev/x", "/m", "20", "10"]


async def test_a_pods_own_volume_does_not_grow(driver: Any) -> None:
    loaded, record = driver({})
    source = of_pod({"name": "x", "flexVolume": {"driver": "acme.io/disk"}})
    with pytest.raises(Failed, match="no PersistentVolume"):
        await loaded.expand_on_node(source, "/dev/x", Path("/m"), 20, 10)
    assert record.calls() == []


async def test_a_controller_mounts_nothing(driver: Any) -> None:
    loaded, _ = driver({})
    controller = Driver(loaded.name, loaded.executable, loaded.capabilities, None)
    with pytest.raises(NotSupported, match="controller"):
        await controller.mount(flex(), pod())


class OneSecret:
    def __init__(self, kind: str) -> None:
        self.asked: list[tuple[str, str]] = []
        self.kind = kind

    async def secret(self, namespace: str, name: str) -> Secret | None:
        self.asked.append((namespace, name))
        return Secret(self.kind, {"token": b"s3cret"}) if self.kind else None


async def test_a_volumes_secret_is_where_it_says() -> None:
    secrets = OneSecret("acme.io/disk")
    source = flex(source={"secretRef": {"name": "keys", "namespace": "storage"}})
    assert await secret_of(source, pod(), secrets)
    assert secrets.asked == [("storage", "keys")]


async def test_a_pod_can_not_reach_into_another_namespace() -> None:
    secrets = OneSecret("acme.io/disk")
    body = {"driver": "acme.io/disk", "secretRef": {"name": "keys", "namespace": "kube-system"}}
    await secret_of(of_pod({"name": "x", "flexVolume": body}), pod(), secrets)
    assert secrets.asked == [("shop", "keys")]


@pytest.mark.parametrize(("kind", "message"), [("", "there is no secret"), ("Opaque", "of type 'Opaque'")])
async def test_a_secret_problem_fails_before_the_driver_is_run(
    driver: Any, recorded_host: Host, kind: str, message: str
) -> None:
    import dataclasses

    loaded, record = driver({})
    host = dataclasses.replace(recorded_host, secrets=OneSecret(kind))
    with_secret = Driver(loaded.name, loaded.executable, loaded.capabilities, host)
    with pytest.raises(Failed, match=message):
        await with_secret.mount(flex(source={"secretRef": {"name": "keys"}}), pod())
    assert record.calls() == []
    assert not (recorded_host.root / TARGET).exists()


def test_a_secret_prints_nothing_of_itself() -> None:
    assert "s3cret" not in repr(Secret("t", {"token": b"s3cret"}))


def test_options_are_one_line_sorted_and_escaped() -> None:
    text = to_argument({"b": "<&>", "a": "ü\u2028\n"})
    assert text == '{"a":"ü\\u2028\\n","b":"\\u003c\\u0026\\u003e"}'
    assert json.loads(text) == {"b": "<&>", "a": "ü\u2028\n"}
