"""Manifests as people write them: YAML or JSON, many documents a text, each value with its place.

Values are read as kubectl reads them: YAML 1.1, times as text, no key twice.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from model.meta import JSON

_TAG: Final = "tag:yaml.org,2002:"


class ManifestError(ValueError):
    """The text is no manifest; the message says where."""


@dataclass(frozen=True)
class Document:
    """One document of a text."""

    source: str
    """The file, or - for standard input."""
    number: int
    """From 1, in its text."""
    node: MappingNode = field(repr=False, compare=False)
    content: JSON = field(repr=False)

    def line_of(self, path: Sequence[str]) -> int:
        """The line, from 1, of the value at a path of keys and positions, or of the last of its keys that is there."""
        node: Node = self.node
        line: int = node.start_mark.line
        for key in path:
            found = _entry(node, key)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        return line + 1


def split(text: str, source: str) -> list[Document]:
    """The documents of a text, in order; empty ones are left out.

    Raises:
        ManifestError: one is no YAML, or no mapping.
    """
    documents = []
    for number, node in enumerate(_composed(text, source), start=1):
        if isinstance(node, MappingNode):
            documents.append(Document(source, number, node, value_of(node, source)))
        elif not (isinstance(node, ScalarNode) and node.tag == f"{_TAG}null"):
            what = "list" if isinstance(node, SequenceNode) else "text"
            raise ManifestError(f"{_place(source, node)}: a manifest is a mapping, not a {what}")
    return documents


def load(text: str, source: str) -> Any:
    """The one value of a text; None of an empty one.

    Raises:
        ManifestError: no YAML, or more than one document.
    """
    nodes = list(_composed(text, source))
    if len(nodes) > 1:
        raise ManifestError(f"{_place(source, nodes[1])}: one document is expected")
    return value_of(nodes[0], source) if nodes else None


def path_of(named: str) -> list[str]:
    """The keys of a field as findings name it: `spec.terms[0].key`, `metadata.labels[a.b/c]`."""
    return [plain or bracketed for plain, bracketed in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", named)]


def value_of(node: Node, source: str) -> Any:
    """The value of a node.

    Raises:
        ManifestError: a key that stands twice, or is none.
    """
    if isinstance(node, SequenceNode):
        return [value_of(each, source) for each in node.value]
    if isinstance(node, MappingNode):
        return _mapping(node, source)
    return _scalar(node)


def _mapping(node: MappingNode, source: str) -> JSON:
    found: JSON = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise ManifestError(f"{_place(source, key)}: a key is a text")
        if key.tag == f"{_TAG}merge":
            raise ManifestError(f"{_place(source, key)}: merge keys (<<) are not supported: write the values out")
        if key.value in found:
            raise ManifestError(f"{_place(source, key)}: key {key.value!r} stands there twice")
        found[key.value] = value_of(value, source)
    return found


def _scalar(node: Node) -> Any:
    text = str(node.value)
    try:
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "yes", "on")
            case "int":
                return yaml.safe_load(text)
            case "float":
                return float(text.replace("_", ""))
    except (ValueError, yaml.YAMLError):
        pass
    return text


def _composed(text: str, source: str) -> Iterator[Node]:
    try:
        yield from yaml.compose_all(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if mark else source
        raise ManifestError(f"{place}: no YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(f"{source}: no YAML: {' '.join(str(error).split())}") from error


def _place(source: str, node: Node) -> str:
    return f"{source}:{node.start_mark.line + 1}"


def _entry(node: Node, key: str) -> tuple[Node, Node] | None:
    """The key's node and its value's; of a sequence the item's twice."""
    if isinstance(node, MappingNode):
        return next(((name, value) for name, value in node.value if name.value == key), None)
    if isinstance(node, SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        return node.value[int(key)], node.value[int(key)]
    return None
