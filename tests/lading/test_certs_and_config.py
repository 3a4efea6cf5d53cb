"""`lading certs` on a folder, and `lading config`, whose output is read as kubectl and kube-scheduler read it."""

import asyncio
import base64

import orjson
import pytest
import yaml
from cryptography import x509

from certs.folder import FolderStore
from lading.cli.app import run

NAMES = ["apiserver", "controllers", "csi-hostpath", "csi-sidecar", "extender", "scheduler", "webhooks"]


@pytest.fixture
def say(capsys):
    """Run a command that has to end so, and hand out what it says."""

    def run_it(*arguments, code=0):
        assert run(arguments) == code
        told = capsys.readouterr()
        assert told.err == ""
        return told.out

    return run_it


@pytest.fixture
def folder(tmp_path, say):
    say("certs", "issue", "--dir", str(tmp_path / "certs"), "--host", "lading.example.com")
    return tmp_path / "certs"


def test_issuing_makes_what_is_missing_and_no_more(tmp_path, say):
    asked = ("certs", "issue", "--dir", str(tmp_path / "certs"))
    first = say(*asked)
    assert first.splitlines()[0] == "began an authority: there was none"
    assert sorted(line for line in first.splitlines()[1:]) == [f"issued {name}: there is none" for name in NAMES]
    assert say(*asked) == "all is as it should be\n"
    # Other names are taken up, and kept as long as nobody asks for others.
    more = say(*asked, "--host", "lading.example.com").splitlines()
    assert {line.partition(":")[0] for line in more} == {f"issued {name}" for name in NAMES[1:] if name != "scheduler"}
    assert say(*asked) == "all is as it should be\n"


def test_a_server_certificate_stands_for_its_service_loopback_and_further_hosts(folder):
    certificate = x509.load_pem_x509_certificate((folder / "webhooks.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"lading-webhooks.lading.svc", "localhost", "lading.example.com"} <= set(
        names.get_values_for_type(x509.DNSName)
    )
    assert "127.0.0.1" in {str(each) for each in names.get_values_for_type(x509.IPAddress)}


def test_the_status_lists_every_certificate(folder, say):
    lines = say("certs", "status", "--dir", str(folder)).splitlines()
    assert lines[0].split() == ["NAME", "FOR", "UNTIL", "STATE"]
    assert [line.split()[0] for line in lines[1:]] == ["signing", *NAMES]
    assert all(line.endswith("valid") for line in lines[1:])
    listed = orjson.loads(say("certs", "status", "--dir", str(folder), "-o", "json"))
    assert {each["name"]: each["state"] for each in listed} == dict.fromkeys(["signing", *NAMES], "valid")


def test_a_certificate_of_another_authority_is_told_and_fails_the_status(folder, tmp_path, say):
    other = tmp_path / "other"
    say("certs", "issue", "--dir", str(other))
    asyncio.run(_exchange(folder, "extender", other))
    lines = say("certs", "status", "--dir", str(folder), code=1).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("untrusted")] == ["extender"]
    said = say("certs", "issue", "--dir", str(folder))
    assert said == "issued extender: no trusted authority signed it\n"


async def _exchange(folder, name, other):
    """Put a certificate of another folder into one."""
    store, foreign = FolderStore(folder), await FolderStore(other).load()
    stored = await store.load()
    taken = {each: foreign.files[each] for each in (f"{name}.crt", f"{name}.key")}
    await store.save({**stored.files, **taken}, stored.version)


def test_rotating_trusts_the_next_authority_before_it_signs(folder, say):
    before = (folder / "ca.crt").read_bytes()
    said = say("certs", "rotate", "--dir", str(folder))
    assert "authority: prepare" in said
    assert "authority: switch" not in said
    bundle = (folder / "ca.crt").read_bytes()
    assert bundle.count(b"BEGIN CERTIFICATE") == 2
    assert before in bundle
    assert "authority: switch" not in say("certs", "rotate", "--dir", str(folder))


def test_the_scheduler_s_configuration_names_files_of_its_host(say):
    written = yaml.safe_load(say("config", "scheduler", "--mode", "instead"))
    assert written["kind"] == "KubeSchedulerConfiguration"
    (extender,) = written["extenders"]
    assert extender["urlPrefix"] == "https://lading-extender.lading.svc:8443"
    assert extender["tlsConfig"]["caFile"] == "/etc/kubernetes/lading/ca.crt"


def test_the_scheduler_s_configuration_may_hold_the_certificates(folder, say):
    options = ("--url", "https://127.0.0.1:8443", "--certs", str(folder), "--embed", "-o", "json")
    (extender,) = orjson.loads(say("config", "scheduler", *options))["extenders"]
    assert base64.b64decode(extender["tlsConfig"]["keyData"]) == (folder / "scheduler.key").read_bytes()
    plain = yaml.safe_load(say("config", "scheduler", "--url", "http://127.0.0.1:8443"))
    assert "tlsConfig" not in plain["extenders"][0]


def test_the_registrations_follow_the_switches_of_rules(say):
    written = list(yaml.safe_load_all(say("config", "webhooks", "--exclude-namespace", "quiet")))
    assert [each["kind"] for each in written] == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
    selectors = [each["namespaceSelector"] for each in written[0]["webhooks"] if "namespaceSelector" in each]
    assert [each["matchExpressions"][0]["values"] for each in selectors] == [["quiet"]]
    deleting = ("sc-delete-in-use", "pv-delete-bound")
    off = [word for name in deleting for word in ("--disable", name)]
    listed = orjson.loads(say("config", "webhooks", *off, "-o", "json"))
    assert listed["kind"] == "List"
    rules = [each["rules"][0] for item in listed["items"] for each in item["webhooks"]]
    assert all("DELETE" not in each["operations"] for each in rules)


@pytest.mark.parametrize(("mode", "accounts"), [("beside", 2), ("instead", 3)])
def test_roles_are_those_of_the_components_that_run(mode, accounts, say):
    written = list(yaml.safe_load_all(say("config", "rbac", "--mode", mode, "--namespace", "storage")))
    found = [each for each in written if each["kind"] == "ServiceAccount"]
    assert len(found) == accounts
    assert {each["metadata"]["namespace"] for each in found} == {"storage"}


@pytest.mark.parametrize("more", [False, True])
def test_a_sidecar_gets_no_rights_of_what_it_runs_only_where_that_is_named(more, say):
    """`*` does not mean the snapshot controller, here as there."""
    written = yaml.safe_load_all(
        say(
            "config", "rbac", "--csi-driver", "a.csi", *(["--csi-controllers", "*,snapshot-controller"] if more else [])
        )
    )
    (role,) = [each for each in written if each["kind"] == "ClusterRole" and "-csi-" in each["metadata"]["name"]]
    contents = [rule for rule in role["rules"] if "volumesnapshotcontents" in rule["resources"]]
    assert any("delete" in rule["verbs"] for rule in contents) is more


@pytest.mark.parametrize("secrets", [False, True])
def test_roles_beside_drivers_are_those_of_what_is_named(secrets, say):
    drivers = ("--csi-driver", "a.csi", "--csi-driver", "B.csi", "--csi-controllers", "csi-provisioner")
    written = list(yaml.safe_load_all(say("config", "rbac", *drivers, *(["--csi-secrets"] if secrets else []))))
    accounts = {each["metadata"]["name"] for each in written if each["kind"] == "ServiceAccount"}
    assert {"lading-csi-a.csi", "lading-csi-b.csi"} < accounts
    beside = [each for each in written if each["kind"] == "ClusterRole" and "-csi-" in each["metadata"]["name"]]
    assert len(beside) == 2
    for role in beside:
        plurals = {plural for rule in role["rules"] for plural in rule["resources"]}
        assert ("secrets" in plurals) is secrets
        assert "volumeattachments/status" not in plurals
