"""Every command explains itself; what is asked wrongly is answered in a line that names the option and the fix."""

import re
import socket
import subprocess
import sys

import pytest
import typer.main

from lading.cli.app import app_of, run


def _commands(group, path=()):
    """The paths of all commands."""
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*path, name))


COMMANDS = list(_commands(typer.main.get_command(app_of())))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_a_help_of_substance(path, flag, capsys):
    assert run([*path, flag]) == 0
    told = capsys.readouterr()
    assert f"Usage: {' '.join(('lading', *path))}" in told.out
    assert "--help" in told.out
    assert not re.search(r"\S…", re.sub(r"default:[^\]]*", "", told.out)), "an option's name or help is cut off"
    assert told.err == ""


def test_the_commands_of_the_design_are_there():
    wanted = {
        ("demo",),
        ("sandbox",),
        ("extender",),
        ("webhooks",),
        ("controllers",),
        ("csi-sidecar",),
        ("csi-hostpath",),
        ("check",),
        *(("certs", each) for each in ("issue", "status", "rotate")),
        *(("config", each) for each in ("scheduler", "webhooks", "rbac")),
    }
    assert wanted <= set(COMMANDS)


def test_one_command_does_not_load_the_others():
    code = "import sys; from lading.cli.app import app_of; app_of(['check']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "lading.cli.check" in loaded
    assert not {"lading.cli.sandbox", "sandbox.server", "grpc"} & set(loaded)


def test_without_a_command_the_help_is_shown(capsys):
    assert run([]) == 2
    told = capsys.readouterr()
    assert "sandbox" in told.out + told.err


def test_the_version_is_one_line(capsys):
    assert run(["--version"]) == 0
    assert re.fullmatch(r"lading \d+\.\d+\.\d+\n", capsys.readouterr().out)


WRONG = [
    (["frobnicate"], "No such command 'frobnicate'"),
    (["sandbox"], "Missing option '--kubeconfig'"),
    (["extender", "--switch", "no-such"], "there are wait-for-drivers, counts-claims-under-way"),
    (["extender", "--shape", "50=5,20=1"], "utilizations rise from 0 to 100"),
    (["extender", "--shape", "0=11"], "scores are 0 to 10"),
    (["extender", "--shape", ""], "--shape '': expected UTILIZATION=SCORE"),
    (["sandbox", "--kubeconfig", "k", "--listen", "here"], "--listen 'here': expected HOST:PORT"),
    (["sandbox", "--kubeconfig", "k", "--listen", "127.0.0.1:99999"], "--listen '127.0.0.1:99999'"),
    (["sandbox", "--kubeconfig", "k", "--scheduler-config", "nope.yaml"], "--scheduler-config nope.yaml: No such file"),
    (["sandbox", "--kubeconfig", "k", "--prot", "1"], "No such option: --prot"),
    (["extender"], "a certificate is needed: --tls-cert and --tls-key"),
    (["extender", "--listen", "here", "--insecure-http"], "--listen 'here': expected HOST:PORT"),
    (["extender", "--listen", "0.0.0.0:0", "--insecure-http"], "--insecure-http serves loopback addresses only"),
    (["extender", "--insecure-http", "--certs", "c"], "--insecure-http takes no certificates"),
    (["extender", "--certs", "nowhere"], "lading certs issue --dir nowhere"),
    (["extender", "--certs", "c", "--tls-cert", "t"], "leave out --tls-cert and --tls-key"),
    (["extender", "--mode", "sometimes"], "'sometimes' is not one of"),
    (["extender", "--log-level", "loud"], "'loud' is not one of"),
    (["webhooks", "--insecure-http", "--enable", "pv-nonsense"], "no admission rule is called 'pv-nonsense'"),
    (["webhooks", "--insecure-http", "--disable", "pv-delete-bond"], "did you mean pv-delete-bound"),
    (["webhooks", "--own-certs", "--certs", "c"], "--own-certs says already where certificates come from"),
    (["extender", "--own-certs", "--insecure-http"], "--own-certs says already where certificates come from"),
    (["certs", "issue", "--dir", "c", "--from-secret", "s", "--host", "h"], "--from-secret issues for callers alone"),
    (["controllers", "--insecure-http"], "give --mode instead, and start kube-controller-manager with"),
    (["controllers", "--insecure-http", "--mode", "instead", "--controllers", "binder"], "no such controller: binder"),
    (["controllers", "--insecure-http", "--mode", "instead", "--controllers", ""], "--controllers selects none"),
    (
        ["controllers", "--insecure-http", "--mode", "instead", "--lease-duration", "5"],
        "below --lease-duration: not 2, 10 and 5",
    ),
    (["certs", "rotate", "--dir", "nowhere"], "--dir nowhere holds no certificates"),
    (["certs", "status", "--dir", "nowhere"], "lading certs issue --dir nowhere"),
    (["certs", "issue", "--dir", "c", "--host", "Not_A_Host"], "'Not_A_Host' is neither a DNS name"),
    (["config", "scheduler", "--url", "ftp://x"], "expected https://HOST:PORT"),
    (["config", "scheduler", "--timeout", "5"], "cuts off binding"),
    (["config", "scheduler", "--embed", "--certs", "nowhere"], "--embed: "),
    (["config", "webhooks", "--url", "http://x:1"], "expected https://HOST:PORT"),
    (["config", "webhooks", "--service", "name"], "--service 'name': expected NAMESPACE/NAME"),
    (["config", "webhooks", "--ca", "nowhere.pem"], "--ca: nowhere.pem: No such file"),
    (["check"], "Missing option '-f' / '--file'"),
    (["check", "-f", "nowhere.yaml"], "nowhere.yaml: No such file"),
    (["demo", "--speed", "2"], "No such option: --speed"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG, ids=[" ".join(each) for each, _ in WRONG])
def test_a_wrong_option_is_one_clear_line(arguments, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("lading: ")
    assert said.err.count("\n") == 1
    assert told in said.err
    assert list(tmp_path.iterdir()) == []


SERVERS = [["extender"], ["webhooks"], ["controllers", "--mode", "instead"]]
QUIET = ["--insecure-http", "--listen", "127.0.0.1:0", "--log-level", "error"]


@pytest.mark.parametrize("server", SERVERS, ids=" ".join)
def test_a_missing_kubeconfig_is_one_clear_line(server, capsys, tmp_path, monkeypatch):
    assert run([*server, *QUIET, "--kubeconfig", "nowhere"]) == 1
    assert capsys.readouterr().err == "lading: nowhere: there is no such file\n"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert run([*server, *QUIET]) == 1
    assert capsys.readouterr().err.startswith("lading: no cluster is configured: give --kubeconfig, set KUBECONFIG")


@pytest.mark.parametrize("server", [*SERVERS, ["sandbox"]], ids=" ".join)
def test_an_address_that_is_taken_is_one_clear_line(server, capsys, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(NOWHERE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        plain = [] if server == ["sandbox"] else ["--insecure-http"]
        assert run([*server, *plain, "--listen", listen, "--kubeconfig", str(kubeconfig)]) == 1
    assert capsys.readouterr().err == f"lading: can not listen on {listen}: Address already in use\n"


NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
current-context: nowhere
"""
