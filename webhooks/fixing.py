"""Changing manifests where they stand: only the text of what differs is touched, all else stays byte for byte.

A change is a cut of the text: a value written anew, a key renamed, lines taken out, an entry put in. The result is read
again and compared with what it should be, so that a form of YAML that is not foreseen here is refused, never damaged.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

from model.meta import JSON
from webhooks.manifests import Document, ManifestError, split


@dataclass(frozen=True)
class _Cut:
    """The text from `start` to `end` is to be `text`."""

    start: int
    end: int
    text: str


def fixed(text: str, wanted: Iterable[tuple[Document, JSON]]) -> str:
    """The text with documents of it holding what is wanted.

    Raises:
        ManifestError: the text is written in a way that can not be changed in place.
    """
    changes = list(wanted)
    if not changes:
        return text
    found = (cut for document, new in changes for cut in _changes(text, document.node, document.content, new))
    # In the order in which they were found where they begin at one place: what is put in inside comes first.
    cuts = sorted(dict.fromkeys(found), key=lambda cut: (cut.start, cut.end))
    source = changes[0][0].source
    for one, other in pairwise(cuts):
        if other.start < one.end:
            raise ManifestError(f"{source}: two changes meet in one place; mend it by hand")
    written, position = [], 0
    for cut in cuts:
        written += [text[position : cut.start], cut.text]
        position = cut.end
    result = "".join([*written, text[position:]])
    _compare(result, source, {document.number: new for document, new in changes})
    return result


def _compare(result: str, source: str, wanted: dict[int, JSON]) -> None:
    for document in split(result, source):
        if document.number in wanted and _without_empty(document.content) != _without_empty(wanted[document.number]):
            raise ManifestError(f"{source}: document {document.number} can not be changed in place; mend it by hand")


def _changes(text: str, node: Node, old: Any, new: Any) -> Iterator[_Cut]:
    """The cuts that make a node's value the new one."""
    if old == new:
        return
    if isinstance(node, MappingNode) and isinstance(new, dict) and old:
        emptied = {key for key, each in new.items() if each in ({}, []) and old.get(key, each) != each}
        yield from _mapping(text, node, old, {key: each for key, each in new.items() if key not in emptied})
    elif isinstance(node, SequenceNode) and isinstance(new, list) and old and not node.flow_style:
        yield from _sequence(text, node, old, new)
    else:
        yield _replaced(text, node, new)


def _without_empty(value: Any) -> Any:
    """Without mappings and lists that hold nothing: those that a change emptied are taken out."""
    if isinstance(value, dict):
        kept = {key: _without_empty(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in ({}, [])}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def _mapping(text: str, node: MappingNode, old: JSON, new: JSON) -> Iterator[_Cut]:
    renamed = _renames(old, new)
    gone = []
    for place, (key, value) in enumerate(node.value):
        name = key.value
        if name in renamed:
            yield _Cut(key.start_mark.index, key.end_mark.index, _scalar(text, key, renamed[name]))
        elif name not in new:
            gone.append(place)
        else:
            yield from _changes(text, value, old[name], new[name])
    added = {key: each for key, each in new.items() if key not in old and key not in renamed.values()}
    if node.flow_style:
        yield from _in_flow(node, gone, added)
    else:
        yield from (_without(text, node, place) for place in gone)
        if added:
            yield _added(text, node, added)


def _renames(old: JSON, new: JSON) -> dict[str, str]:
    """Keys that went while another with the same value came."""
    gone = [key for key in old if key not in new]
    came = [key for key in new if key not in old]
    renamed: dict[str, str] = {}
    for key in gone:
        match = next((each for each in came if new[each] == old[key] and each not in renamed.values()), None)
        if match is not None:
            renamed[key] = match
    return renamed


def _in_flow(node: MappingNode, gone: list[int], added: JSON) -> Iterator[_Cut]:
    """Entries taken out of `{...}`, and others put in after those that stay."""
    kept = [place for place in range(len(node.value)) if place not in gone]
    last = kept[-1] if kept else -1
    for place in gone:
        if place < last:
            yield _Cut(node.value[place][0].start_mark.index, node.value[place + 1][0].start_mark.index, "")
    entries = [f"{_flow(key)}: {_flow(each)}" for key, each in added.items()]
    begin = _end(node.value[last][1]) if kept else node.value[0][0].start_mark.index
    end = _end(node.value[-1][1])
    if entries or end > begin:
        yield _Cut(begin, end, ", ".join(["", *entries] if kept else entries))


def _without(text: str, node: CollectionNode, place: int) -> _Cut:
    """An entry of a block taken out, with its lines."""
    first = _first(node.value[place])
    begin = _line_start(text, first.start_mark.index)
    before = text[begin : first.start_mark.index].strip()
    if before and (isinstance(node, MappingNode) or before != "-"):
        raise ManifestError(f"line {first.start_mark.line + 1} can not be taken out in place; mend it by hand")
    return _Cut(begin, _line_end(text, _end(_last(node.value[place]))), "")


def _added(text: str, node: MappingNode, added: JSON) -> _Cut:
    """Entries put in after the last one of a block."""
    position = _line_end(text, _end(node.value[-1][1]))
    lead = "" if text[:position].endswith("\n") else "\n"
    return _Cut(position, position, lead + _block(added, node.value[0][0].start_mark.column))


def _sequence(text: str, node: SequenceNode, old: list[Any], new: list[Any]) -> Iterator[_Cut]:
    """Items that stay keep their lines; of a shorter list those go that are not in it."""
    place = 0
    for position, each in enumerate(old):
        left = len(old) - position
        if place < len(new) and (_is_like(each, new[place]) or left <= len(new) - place):
            yield from _changes(text, node.value[position], each, new[place])
            place += 1
        else:
            yield _without(text, node, position)
    if place < len(new):
        raise ManifestError(f"line {node.start_mark.line + 1}: items can not be added in place; mend it by hand")


def _is_like(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return any(old.get(key) == each for key, each in new.items())
    return old == new or (isinstance(old, str) and isinstance(new, str) and old.strip() == new)


def _replaced(text: str, node: Node, new: Any) -> _Cut:
    begin, end = node.start_mark.index, node.end_mark.index
    written = _scalar(text, node, new) if isinstance(new, str) else _flow(new)
    if begin == end:  # nothing stands there: `key:`
        written = f" {written}"
    elif text[begin:end].endswith("\n"):
        written += "\n"
    return _Cut(begin, end, written)


def _scalar(text: str, node: Node, value: str) -> str:
    """The value quoted as the one that stood there, or as needed."""
    quote = text[node.start_mark.index : node.start_mark.index + 1]
    if quote == "'" and "\n" not in value:
        return "'" + value.replace("'", "''") + "'"
    if quote == '"' or yaml.safe_load(f"- {value}") != [value] or value.strip() != value or _is_special(value):
        return json.dumps(value, ensure_ascii=False)
    return value


def _is_special(value: str) -> bool:
    """Whether a plain text would be read as something else, or end early in a flow."""
    return any(sign in value for sign in ",[]{}#\n") or ": " in value


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _block(value: JSON, column: int) -> str:
    written: str = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1 << 16)
    return "".join(f"{' ' * column}{line}\n" for line in written.splitlines())


def _first(entry: Any) -> Node:
    node: Node = entry[0] if isinstance(entry, tuple) else entry
    return node


def _last(entry: Any) -> Node:
    node: Node = entry[1] if isinstance(entry, tuple) else entry
    return node


def _end(node: Node) -> int:
    """Where the text of a value ends; the mark of a block is behind the comments that follow it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        return max(_end(_last(entry)) for entry in node.value)
    end: int = node.end_mark.index
    return end


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    """The start of the next line; a position at the start of a line is the end of the one before."""
    if position and text[position - 1] == "\n":
        return position
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1
