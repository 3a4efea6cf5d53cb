"""`lading check`: the admission rules over manifests, offline."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, cast

import jsonpatch
import orjson
import typer

from lading.cli import options
from lading.endpoint import OptionsError
from lading.output import complain, say
from model.meta import JSON
from webhooks.check import Report, check
from webhooks.findings import Finding, Outcome, findings, sarif, summary
from webhooks.fixing import fixed
from webhooks.manifests import Document, ManifestError, split
from webhooks.settings import chosen

STDIN: Final = "-"
SUFFIXES: Final = {".yaml", ".yml", ".json"}


class Output(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class FailOn(StrEnum):
    """What makes the command fail."""

    REFUSED = "refused"
    WARNING = "warning"
    NORMALIZED = "normalized"


_FAILING: Final = {
    FailOn.REFUSED: {Outcome.ERROR, Outcome.REFUSED},
    FailOn.WARNING: {Outcome.ERROR, Outcome.REFUSED, Outcome.WARNING},
    FailOn.NORMALIZED: set(Outcome),
}


@dataclass(frozen=True)
class Text:
    """One input, and the documents in it."""

    name: str
    text: str
    documents: list[Document]
    is_readable: bool = True


def check_files(
    file: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            help="YAML or JSON, a folder of such files, or - for standard input (repeatable).",
        ),
    ],
    output: Annotated[
        Output, typer.Option("-o", "--output", help="Text for people, JSON for programs, SARIF for code scanners.")
    ] = Output.TEXT,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Write what is normalized back, comments and order kept; - to standard output."),
    ] = False,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="The least finding to end with 1 for. What --fix mended counts no more.")
    ] = FailOn.REFUSED,
    settings: options.RuleSettings = None,
    enable: options.Enable = None,
    disable: options.Disable = None,
) -> None:
    """Run the webhooks' rules over manifests, without a cluster.

    Volumes, claims and classes are checked as if they were created now; other kinds are passed over. Nothing is
    concluded from what the files do not hold. `kubectl kustomize DIR | lading check -f -` checks what an overlay
    makes. Ends with 0 if the API server with these rules would take them all, with 1 if not, with 2 if a file can not
    be read; the others are checked all the same.
    """
    rules = chosen(settings, enable or (), disable or ())
    texts = [_read(name) for name in _files(file or ())]
    documents = [each for text in texts for each in text.documents]
    reports = check([each.content for each in documents], rules)
    told = findings(reports, documents)
    if fix:
        _fix(texts, _normalized(documents, reports))
        told = [each for each in told if each.outcome is not Outcome.NORMALIZED]
    _print(told, len(reports), output, aside=fix and STDIN in (file or ()))
    unreadable = not all(each.is_readable for each in texts)
    raise typer.Exit(2 if unreadable else any(each.outcome in _FAILING[fail_on] for each in told))


def _files(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name != STDIN and Path(name).is_dir():
            found = sorted(each for each in Path(name).rglob("*") if each.suffix in SUFFIXES and _is_shown(each, name))
            if not found:
                raise OptionsError(f"-f {name}: the folder holds no {', '.join(sorted(SUFFIXES))} files")
            yield from map(str, found)
        else:
            yield name


def _is_shown(path: Path, root: str) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)


def _read(name: str) -> Text:
    try:
        text = sys.stdin.read() if name == STDIN else _decoded(Path(name))
    except OSError as error:
        raise OptionsError(f"-f {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OptionsError(f"-f {name}: no YAML: {error}") from error
    try:
        return Text(name, text, split(text, name))
    except ManifestError as error:
        complain(str(error))  # the others are checked all the same
        return Text(name, text, [], is_readable=False)


def _decoded(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as opened:  # line ends stay as they are
        return opened.read()


def _normalized(documents: Sequence[Document], reports: Iterable[Report]) -> dict[int, JSON]:
    """What documents are to hold, by position, of those that are to hold anything else."""
    contents: dict[int, JSON] = {}
    for report in reports:
        if report.patch:
            content = contents.get(report.position, documents[report.position].content)
            operations = [_moved(each, "".join(f"/{key}" for key in report.items)) for each in report.patch]
            contents[report.position] = cast("JSON", jsonpatch.apply_patch(content, cast("Any", operations)))
    return contents


def _moved(operation: JSON, within: str) -> JSON:
    """The operation on an item, as one on the List that holds it."""
    return {key: f"{within}{each}" if key in ("path", "from") else each for key, each in operation.items()}


def _fix(texts: Iterable[Text], contents: dict[int, JSON]) -> None:
    position = 0
    for text in texts:
        places = range(position, position + len(text.documents))
        changed = [(text.documents[each - position], contents[each]) for each in places if each in contents]
        position = places.stop
        result = fixed(text.text, changed)
        if text.name == STDIN:
            sys.stdout.write(result)
        elif changed:
            _write(Path(text.name), result)
            complain(f"{text.name}: normalized")


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, with its mode."""
    target = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise OptionsError(f"-f {path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as written:
            written.write(text)
        Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise OptionsError(f"-f {path}: {error.strerror}") from error


def _print(told: Sequence[Finding], checked: int, output: Output, *, aside: bool) -> None:
    """To standard output, or `aside` to standard error, where the former holds the manifests."""
    write = complain if aside else say
    match output:
        case Output.TEXT:
            for each in told:
                write(each.as_line())
            write(summary(told, checked))
        case Output.JSON:
            write(_json({"checked": checked, "findings": [each.as_json() for each in told]}))
        case Output.SARIF:
            write(_json(sarif(told, version("lading"))))


def _json(value: JSON) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
