"""`lading check`: the admission rules over manifests, offline."""

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
import yaml

from lading.cli import options
from lading.endpoint import OptionsError
from lading.output import say
from model.meta import JSON
from webhooks.check import Report, check, describe
from webhooks.rules.rule import Denial, Warn
from webhooks.settings import chosen

STDIN = "-"


class Output(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


def check_files(
    file: Annotated[
        list[str],
        typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON, - for standard input (repeatable)."),
    ],
    output: Annotated[Output, typer.Option("-o", "--output", help="Text for people, JSON for programs.")] = Output.TEXT,
    settings: options.RuleSettings = None,
    enable: options.Enable = None,
    disable: options.Disable = None,
) -> None:
    """Run the webhooks' rules over manifests, without a cluster.

    Volumes, claims and classes are checked as if they were created now; other kinds are passed over. Nothing is
    concluded from what the files do not hold. Ends with 0 if the API server with these rules would take them all, with
    1 if not, with 2 if a file can not be read.
    """
    rules = chosen(settings, enable or (), disable or ())
    reports = check([each for name in file for each in _manifests(name)], rules.rules, rules.policy)
    if output is Output.JSON:
        say(orjson.dumps([_as_json(report) for report in reports], option=orjson.OPT_INDENT_2).decode())
    else:
        _print(reports)
    raise typer.Exit(any(report.refused for report in reports))


def _manifests(name: str) -> Iterator[JSON]:
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text(encoding="utf-8")
        for document in yaml.safe_load_all(text):
            if isinstance(document, dict):
                yield document
            elif document is not None:
                raise OptionsError(f"-f {name}: a manifest is a mapping, not {type(document).__name__}")
    except OSError as error:
        raise OptionsError(f"-f {name}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionsError(f"-f {name}: no YAML: {' '.join(str(error).split())}") from error


def _print(reports: Sequence[Report]) -> None:
    for report in reports:
        lines = [f"error: {report.error}"] if report.error else []
        lines += [f"{_kind(each.effect)}: {describe(each.effect)} [{each.rule}]" for each in report.findings]
        for line in lines:
            say(f"{_what(report)}: {line}")
    refused = sum(report.refused for report in reports)
    say(f"{len(reports)} checked, {refused} refused")


def _what(report: Report) -> str:
    return f"{report.kind} {report.namespace}/{report.name}" if report.namespace else f"{report.kind} {report.name}"


def _kind(effect: object) -> str:
    match effect:
        case Denial():
            return "refused"
        case Warn():
            return "warning"
        case _:
            return "normalized"


def _as_json(report: Report) -> JSON:
    return {
        "kind": report.kind,
        "namespace": report.namespace,
        "name": report.name,
        "refused": report.refused,
        "error": report.error,
        "findings": [
            {"rule": each.rule, "effect": _kind(each.effect), "message": describe(each.effect)}
            for each in report.findings
        ],
    }
