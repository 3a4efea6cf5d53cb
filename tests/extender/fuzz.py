"""`python -m tests.extender.fuzz`: random clusters, judged by the scheduler's volume plugins and by the extender."""

import itertools
import json
import sys
import time
from collections import Counter
from typing import Annotated

import typer

from tests.controlplane.binaries import Binaries
from tests.extender.clusters import Draw
from tests.extender.oracle import Answer, Oracle, Scenario, disagreement, running
from tests.extender.shrink import as_case, shrink
from tests.extender.tables import Cluster

SAID_EVERY = 1000


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    draw = Draw(seed)
    pod = draw.pod("new")
    return Scenario(draw.cluster(pod), pod, draw.often())


def differs(said: Answer, seed: int = 0) -> str:
    """How the extender's engine disagrees, given the objects in an order of the seed; "" when it does not."""
    assert not said.invalid, f"a server would refuse it: {said.invalid}"
    objects = Draw(seed).shuffled(said.shown.objects)
    return disagreement(said, Cluster(objects, said.shown.rules).snapshot)


def smallest(seed: int, oracle: Oracle) -> Answer:
    """The smallest scenario that disagrees, made from a seed's that does, and what the scheduler says of it."""

    def shows(smaller: Scenario) -> bool:
        said = oracle.ask(smaller)
        return not said.invalid and bool(differs(said, seed))

    return oracle.ask(shrink(scenario(seed), shows))


def main(
    count: Annotated[int, typer.Option(help="How many clusters; 0 goes on for ever.", min=0)] = 10_000,
    seed: Annotated[int, typer.Option(help="The first cluster's seed; the next one's is one more.")] = 0,
) -> None:
    """Compare the extender with kube-scheduler's volume plugins on random clusters.

    A disagreement ends it with status 1, and is printed as a case for tests/cases/scheduling.
    """
    path = Binaries(say=lambda line: typer.echo(line, err=True)).get("volume-plugins").path
    began, statuses = time.monotonic(), Counter[str]()
    with running(path) as oracle:
        for number in itertools.count(seed) if count == 0 else range(seed, seed + count):
            said = oracle.ask(scenario(number))
            if found := differs(said, number):
                typer.echo(f"seed {number}:\n{found}")
                case = as_case(f"seed-{number}", "the scheduler and the extender disagreed", smallest(number, oracle))
                typer.echo(json.dumps(case, indent=1))
                sys.exit(1)
            statuses.update(f"{word.status or 'fits'} {word.plugin}".strip() for word in said.words.values())
            if (number - seed + 1) % SAID_EVERY == 0:
                typer.echo(f"{number - seed + 1} clusters in {time.monotonic() - began:.0f} s", err=True)
    typer.echo(f"{count} clusters from seed {seed}: no disagreement; of the nodes {dict(statuses.most_common())}")


if __name__ == "__main__":
    typer.run(main)
