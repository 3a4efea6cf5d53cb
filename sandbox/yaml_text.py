"""YAML as JSON knows it: dates stay text, and nothing may refer to something else or hold up the server.

References are refused because a small text could grow large by them, and so are texts of more values than anybody
writes: reading YAML is slow, and while it is read nothing else is done.
"""

import re
from collections.abc import Hashable
from typing import Any, Final

import orjson
import yaml

MAX_DEPTH: Final = 200
MAX_VALUES: Final = 50_000

_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_PLAIN_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_PLAIN_FLOAT: Final = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$|[-+]?[0-9]+[eE][-+]?[0-9]+$"
)


class YamlError(ValueError):
    """No YAML, or YAML that is not read here; the message says why."""


class _Loader(yaml.CSafeLoader):
    """Keys may repeat, and are remembered."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.duplicates: dict[str, None] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.duplicates[key.value] = None
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_OURS: Final = {_INT: _PLAIN_INT, _FLOAT: _PLAIN_FLOAT}
"""Without the numbers to base 60, which no JSON has and which take long to read."""
_Loader.yaml_implicit_resolvers = {
    first: [(tag, _OURS.get(tag, pattern)) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: bytes) -> tuple[Any, list[str]]:
    """The value, as JSON could hold it, and the keys that an object in it gives twice.

    Raises:
        YamlError: see there.
    """
    try:
        _check(text)
        loader = _Loader(text)
        value = loader.get_single_data()
        # The way through JSON leaves nothing that JSON does not know.
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)), list(loader.duplicates)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise YamlError(str(error)) from None


def _check(text: bytes) -> None:
    """Look at the parts before anything is built of them."""
    depth = values = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed: write the value where it is used")
        if isinstance(event, yaml.NodeEvent):
            values += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"nested more than {MAX_DEPTH} levels deep")
        if values > MAX_VALUES:
            raise yaml.YAMLError(f"more than {MAX_VALUES} values: send JSON")
