"""What a pod asks for, summed as the kubelet would need it."""

import pytest

from sandbox.scheduler.resources import Usage, requests_of
from sandbox.scheduler.views import read_pod


def container(cpu, **more):
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("1"), container("500m")]}, 1500),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, 3000),
        ({"containers": [container("2")], "initContainers": [container("1")]}, 2000),
        ({"containers": [container("2")], "initContainers": [container("1", restartPolicy="Always")]}, 3000),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("1", restartPolicy="Always"), container("4"), container("2")],
            },
            5000,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1250),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "3"}}}, 3000),
        ({"containers": [{"name": "c"}, {"name": "d", "resources": {}}]}, 0),
        ({}, 0),
    ],
)
def test_a_pod_asks_for_the_most_that_it_needs_at_a_time(spec, cpu):
    requests = requests_of(read_pod({"metadata": {"name": "p"}, "spec": spec}))
    assert requests.get("cpu", 0) == cpu * 10**6


def test_usage_grows_and_shrinks_with_pods():
    used = Usage(1, {"cpu": 5}).beside([{"cpu": 2, "memory": 3}, {}])
    assert used == Usage(3, {"cpu": 7, "memory": 3})
    assert used.without([{"cpu": 7}]) == Usage(2, {"cpu": 0, "memory": 3})
