"""Plays one case of the FlexVolume tables: real executables, recorded mounts."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugins.errors import PluginError
from plugins.flexvolume.answer import Capabilities
from plugins.flexvolume.call import Executable
from plugins.flexvolume.driver import Driver
from plugins.flexvolume.probe import Prober, Settings
from plugins.host import Host, Secret
from plugins.source import PodFacts, Source, of_pod, of_volume
from tests.plugins.flexvolume.drivers import ScriptedDriver
from tests.plugins.mounts import RecordedMounts, RecordedOwnership

NAMES = {"fsGroup": "fs_group", "selinuxRelabel": "selinux_relabel", "supportsMetrics": "supports_metrics"}
NAMES |= {"requiresFSResize": "requires_fs_resize", "attach": "attach"}


class TableOfSecrets:
    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], Secret] = {}

    async def secret(self, namespace: str, name: str) -> Secret | None:
        return self.secrets.get((namespace, name))


class Replay:
    """One case, with what it says was there before."""

    def __init__(self, case: dict[str, Any], tmp_path: Path) -> None:
        self.case = case
        self.root = tmp_path / "root"
        self.folder = tmp_path / "exec"
        self.mounts, self.ownership, self.secrets = RecordedMounts(), RecordedOwnership(), TableOfSecrets()
        self.host = Host(self.root, self.mounts, secrets=self.secrets, ownership=self.ownership, node="n1")
        self.scripted = ScriptedDriver(tmp_path / "scripted", case["driver"])
        self.others: list[ScriptedDriver] = []
        self.tmp_path = tmp_path
        self.prober = Prober(Settings(self.folder), self.host)
        self.loaded = False
        self.single = Driver(
            "acme.io/disk",
            Executable(self.scripted.install(tmp_path / "single" / "disk")),
            Capabilities(),
            self.host,
        )

    async def run(self) -> None:
        operation, expected = self.case["operation"], self.case["expect"]
        steps = operation["steps"] if operation["do"] == "steps" else [operation]
        wanted = expected["outcome"] if operation["do"] == "steps" else [expected["outcome"]]
        try:
            for step, outcome in zip(steps, wanted, strict=True):
                await self.step(step, outcome)
        finally:
            self.prober.close()
        self.check_calls(expected["argv_sequence"], listed="load" in {step["do"] for step in steps})

    async def step(self, step: dict[str, Any], outcome: dict[str, Any]) -> None:
        self.prepare(step.get("state", {}))
        self.mounts.actions.clear()
        self.ownership.walks.clear()
        answer, complaint = {}, ""
        try:
            answer = await getattr(self, step["do"])(step)
        except PluginError as error:
            complaint = str(error)
        assert ("error" if complaint else "ok") == outcome["result"], f"{step['do']}: {complaint}"
        for words in outcome.get("error_contains", []):
            assert words in complaint
        if not complaint:
            self.check(answer, outcome)
        self.check_surroundings(outcome)

    def prepare(self, state: dict[str, Any]) -> None:
        for path in (*state.get("dirs", []), *state.get("mounted", [])):
            self.path(path).mkdir(parents=True, exist_ok=True)
        for path in state.get("mounted", []):
            if self.path(path) not in self.mounts.mounted:
                self.mounts.mounted.append(self.path(path))
        for each in state.get("secrets", []):
            data = {key: value.encode() for key, value in each["data_text"].items()}
            self.secrets.secrets[each["namespace"], each["name"]] = Secret(each["type"], data)

    def check(self, answer: Mapping[str, Any], outcome: dict[str, Any]) -> None:
        ours = {"result", "dirs_present", "dirs_absent", "mounter", "walk", "max_wall_s"}
        for key, value in outcome.items():
            if key not in ours:
                assert answer[key] == value, key

    def check_surroundings(self, outcome: dict[str, Any]) -> None:
        for path in outcome.get("dirs_present", []):
            assert self.path(path).is_dir()
        for path in outcome.get("dirs_absent", []):
            assert not self.path(path).exists()
        if "mounter" in outcome:
            assert self.mounts.actions == json.loads(json.dumps(outcome["mounter"]).replace("<root>", str(self.root)))
        if "walk" in outcome:
            walk = outcome["walk"]
            assert self.ownership.walks == ([{**walk, "path": str(self.path(walk["path"]))}] if walk else [])

    def check_calls(self, expected: list[list[Any]], *, listed: bool) -> None:
        calls = [call for driver in (self.scripted, *self.others) for call in driver.calls()]
        calls = [call for call in calls if listed or call != ["init"]]
        assert len(calls) == len(expected), calls
        for call, wanted in zip(calls, expected, strict=True):
            assert [self.readable(each, like) for each, like in zip(call, wanted, strict=True)] == wanted

    def readable(self, argument: str, like: Any) -> Any:
        return {"json": json.loads(argument)} if isinstance(like, dict) else argument.replace(str(self.root), "<root>")

    def path(self, text: str) -> Path:
        return Path(text.replace("<root>", str(self.root)))

    async def driver(self, name: str = "acme.io/disk") -> Driver:
        found = await self.prober.driver(name) if self.loaded else self.single
        assert found is not None
        return found

    # The steps, by the names that the tables have for them.

    async def load(self, step: dict[str, Any]) -> Mapping[str, Any]:
        self.folder.mkdir(exist_ok=True)
        for path, what in step["tree"].items():
            self.put(self.folder / path, what)
        self.loaded = True
        names = await self.prober.names()
        drivers = {name: await self.driver(name) for name in names}
        return {
            "registered_names": names,
            "registered": {name: self.described(driver) for name, driver in drivers.items()},
            "executables": {
                name: str(driver.executable.path.relative_to(self.folder)) for name, driver in drivers.items()
            },
        }

    def put(self, path: Path, what: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if what == "driver":
            self.scripted.install(path)
        elif what == "file":
            path.write_text("a file")
        elif "symlink_to" in what:
            path.symlink_to(what["symlink_to"])
        else:
            self.others.append(ScriptedDriver(self.tmp_path / f"other-{len(self.others)}", what))
            self.others[-1].install(path)

    def described(self, driver: Driver) -> dict[str, Any]:
        said = dataclasses.asdict(driver.capabilities)
        source = Source("any", "flexVolume")
        return {
            "attachable": driver.can_attach(source),
            "device_mountable": driver.can_mount_device(source),
            "capabilities": {name: said[ours] for name, ours in NAMES.items()},
        }

    async def unique_name(self, step: dict[str, Any]) -> Mapping[str, Any]:
        return {"unique_name": await (await self.driver()).unique_name(source_of(step))}

    async def attach(self, step: dict[str, Any]) -> Mapping[str, Any]:
        return {"device": await (await self.driver()).attach(source_of(step), step["node"])}

    async def detach(self, step: dict[str, Any]) -> Mapping[str, Any]:
        await (await self.driver()).detach(step["volume_name"], step["node"])
        return {}

    async def verify_attached(self, step: dict[str, Any]) -> Mapping[str, Any]:
        sources = [source_of({"spec": spec}) for spec in step["specs"]]
        return {"attached": await (await self.driver()).attached(sources, step["node"])}

    async def wait_for_attach(self, step: dict[str, Any]) -> Mapping[str, Any]:
        timeout = step.get("timeout_s", 600)
        return {"device": await (await self.driver()).wait_for_attach(source_of(step), step["device"], timeout)}

    async def mount_device(self, step: dict[str, Any]) -> Mapping[str, Any]:
        await (await self.driver()).mount_device(source_of(step), step["device"], self.path(step["path"]))
        return {}

    async def unmount_device(self, step: dict[str, Any]) -> Mapping[str, Any]:
        await (await self.driver()).unmount_device(self.path(step["path"]))
        return {}

    async def set_up(self, step: dict[str, Any]) -> Mapping[str, Any]:
        await (await self.driver()).mount(source_of(step), pod_of(step["pod"]))
        return {}

    async def tear_down(self, step: dict[str, Any]) -> Mapping[str, Any]:
        await (await self.driver()).unmount(step["spec_name"], step["pod_uid"])
        return {}


def source_of(step: dict[str, Any]) -> Source:
    spec = step["spec"]
    if "volume" in spec:
        return of_pod(spec["volume"])
    pv = dict(spec["pv"])
    return of_volume({"metadata": {"name": pv.pop("name")}, "spec": pv}, claim_read_only=spec["claimReadOnly"])


def pod_of(pod: dict[str, Any]) -> PodFacts:
    policy = pod.get("fsGroupChangePolicy", "Always")
    account = pod["serviceAccountName"]
    return PodFacts(pod["name"], pod["namespace"], pod["uid"], account, pod.get("fsGroup"), policy)
