"""The body of an apply patch: YAML, of which JSON is a part."""

from collections.abc import Hashable
from typing import Any

import orjson
import yaml

from sandbox.errors import bad_request
from sandbox.schema import duplicate_fields

JSON = dict[str, Any]

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """YAML as JSON knows it: dates stay text, keys may repeat, and nothing may refer to something else.

    References are refused because a small text could grow large by them.
    """

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.duplicates: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed: write the value where it is used")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        self.duplicates += [name for index, name in enumerate(names) if name in names[:index]]
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_apply_body(text: bytes) -> tuple[JSON, list[str]]:
    """The object that is applied, and the keys that it gives twice.

    Raises:
        ApiError: 400, it is no YAML or no object.
    """
    try:
        value = orjson.loads(text)
        duplicates = duplicate_fields(text, value)
    except orjson.JSONDecodeError:
        value, duplicates = _read_yaml(text)
    if not isinstance(value, dict):
        raise bad_request("error decoding patch: the body must be an object")
    return value, duplicates


def _read_yaml(text: bytes) -> tuple[Any, list[str]]:
    try:
        loader = _Loader(text)
        # The way through JSON leaves nothing that JSON does not know.
        value = orjson.loads(orjson.dumps(loader.get_single_data(), option=orjson.OPT_NON_STR_KEYS))
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise bad_request(f"error decoding patch: {error}") from None
    return value, loader.duplicates
