"""`python -m bench [NAME…] [--json]`: every bench, or those named; ratios for people, or results as JSON."""

import argparse
import asyncio
import importlib
import sys
import tempfile
from pathlib import Path

import orjson

from bench.measure import Result

BENCHES = {
    "sandbox_writes": "sandbox writes/s against an aiohttp echo server",
    "watch_fanout": "watch fan-out to 100 watchers against bare streams",
    "informer_decode": "decode rate of the informer against orjson.loads",
    "scheduler_throughput": "a real kube-scheduler's pods/s with the extender against its own volume plugins",
    "binding": "claims/s that Lading's binder binds against kube-controller-manager's, and against bare writes",
    "binding_quiet": "what 50,000 bound claims cost the binder, and a new one among them",
    "csi_provisioning": "claims/s that volumes are made for by lading csi-sidecar against external-provisioner",
    "extender_filter": "the extender's /filter over 1,000 to 15,000 nodes against an aiohttp echo server",
    "webhook_reviews": "admission reviews/s, and the time of one, against an aiohttp echo server",
}


async def _run(name: str) -> list[Result]:
    print(f"… {BENCHES[name]}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        results: list[Result] = await importlib.import_module(f"bench.{name}").run(Path(folder))
    return results


def main() -> None:
    """Run them in turn and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHES)}; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHES]:
        parser.error(f"no bench {', '.join(unknown)}: there are {', '.join(BENCHES)}")
    results = []
    for name in options.names or BENCHES:
        results += asyncio.run(_run(name))
        if not options.json:
            print(*(result.line() for result in results), sep="\n", flush=True)
            results.clear()
    if options.json:
        print(orjson.dumps([result.as_json() for result in results], option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
