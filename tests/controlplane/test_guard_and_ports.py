"""No process outlives its starter, no port is taken before its server listens, and a profile stays as it was given."""

import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.controlplane.flags import scheduler_config
from tests.controlplane.guard import guarding, main
from tests.controlplane.ports import LOOPBACK, reserved


@contextmanager
def _waiting():
    """A process, in a group of its own, that waits for its standard input to close."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process


def test_what_is_still_listed_at_the_end_is_killed_and_nothing_else():
    with _waiting() as listed, _waiting() as removed, _waiting() as never:
        main([f"+{listed.pid}\n", f"+{removed.pid}\n", f"-{removed.pid}\n"])
        assert listed.wait() == -9
        assert removed.poll() is never.poll() is None


async def test_a_guard_ends_with_its_block():
    with _waiting() as left:
        async with guarding() as guard:
            guard.add(left.pid)
        assert left.wait() == -9


def test_a_reserved_port_is_given_to_those_who_share_it():
    with reserved(3) as ports:
        assert len(set(ports)) == 3
        with socket.socket() as server, socket.socket() as stranger:
            with pytest.raises(OSError, match="in use"):
                stranger.bind((LOOPBACK, ports[0]))
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            server.bind((LOOPBACK, ports[0]))
            server.listen()
            socket.create_connection((LOOPBACK, ports[0])).close()


def test_a_scheduler_is_connected_and_otherwise_as_configured():
    wanted = {
        "profiles": [{"schedulerName": "lading"}],
        "clientConnection": {"qps": 50, "kubeconfig": "elsewhere"},
        "leaderElection": {"leaderElect": True, "resourceName": "mine"},
    }
    config = scheduler_config(wanted, Path("/here"))
    assert config["profiles"] == wanted["profiles"]
    assert config["clientConnection"] == {"qps": 50, "kubeconfig": "/here"}
    assert config["leaderElection"] == {"leaderElect": False, "resourceName": "mine"}
    assert config["kind"] == "KubeSchedulerConfiguration"
