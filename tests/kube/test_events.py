"""What the recorder of events writes, and how fast. In virtual time, against a server that is a list."""

import asyncio

import pytest

from kube.errors import Invalid, NotFound, ServerError
from kube.events import EventRecorder
from kube.metrics import Metrics
from model.resources import NODES
from tests.kube import virtual
from tests.kube.objects import node


class Server:
    """Takes the events, each with the time at which it came; fails as it is told."""

    def __init__(self):
        self.metrics = Metrics()
        self.created, self.counts, self.times = [], [], []
        self.faults = []
        self.forgets = False

    async def create(self, _resource, body, namespace):
        if self.faults:
            raise self.faults.pop(0)
        assert namespace == body["metadata"]["namespace"]
        self.created.append(body)
        self.times.append(asyncio.get_running_loop().time())

    async def patch(self, _resource, name, change, _namespace):
        if self.forgets:
            raise NotFound(404, "gone")
        assert name in [each["metadata"]["name"] for each in self.created]
        self.counts.append(change["count"])

    def total(self, result):
        return self.metrics.registry.get_sample_value("lading_events_total", {"result": result}) or 0.0


def record(said, server=None, seconds=1000.0, **settings):
    """What the server has when all of it was said at once, and some time has passed."""
    server = server or Server()

    async def main():
        recorder = EventRecorder(server, "test", **settings)
        for name, reason, message in said:
            recorder.event(node(name), NODES, "Normal", reason, message)
        running = asyncio.ensure_future(recorder.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.wait([running])

    virtual.run(main())
    return server


def test_an_event_names_its_object_and_lives_in_default_where_that_has_no_namespace():
    (event,) = record([("n1", "Ready", "all is well")]).created
    assert event["metadata"]["namespace"] == "default"
    assert event["metadata"]["name"].startswith("n1.")
    assert event["involvedObject"]["uid"] == "uid-n1"
    assert (event["reason"], event["message"], event["count"]) == ("Ready", "all is well", 1)
    assert event["source"] == {"component": "test"}


def test_what_is_said_again_is_counted():
    server = record([("n1", "Ready", "all is well")] * 3)
    assert (len(server.created), server.counts) == (1, [2, 3])


def test_an_event_that_the_server_has_forgotten_is_written_anew_with_its_count():
    server = Server()
    server.forgets = True
    assert [each["count"] for each in record([("n1", "Ready", "well")] * 2, server).created] == [1, 2]


def test_many_at_once_are_written_a_burst_at_once_and_then_so_many_a_second():
    server = record([(f"n{number}", "Ready", "well") for number in range(30)], rate=2.0, burst=10)
    assert len(server.created) == 30
    assert server.times[:10] == [0.0] * 10
    assert server.times[10:] == pytest.approx([0.5 * number for number in range(1, 21)])


def test_what_does_not_fit_is_dropped_and_counted():
    server = record([(f"n{number}", "Ready", "well") for number in range(30)], queue_size=20)
    assert (len(server.created), server.total("dropped")) == (20, 10)


def test_a_fault_that_passes_is_outlasted():
    server = Server()
    server.faults = [ServerError(500, "busy")] * 3
    assert len(record([("n1", "Ready", "well")], server).created) == 1


def test_an_event_that_is_refused_is_given_up_and_the_next_is_written():
    server = Server()
    server.faults = [Invalid(422, "no")]
    record([("n1", "Ready", "well"), ("n2", "Ready", "well")], server)
    assert [each["involvedObject"]["name"] for each in server.created] == ["n2"]
    assert server.total("failed") == 1
