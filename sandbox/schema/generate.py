"""Cuts `kubernetes.json.gz` out of a Kubernetes release: the schemas and the Go types of the kinds the sandbox serves.

A tool for developers, run by hand when a new release is adopted; the server only reads what it made. Its input are the
module cache's folders of k8s.io/kubernetes (for api/openapi-spec), k8s.io/api, k8s.io/apimachinery and
k8s.io/apiextensions-apiserver, as `go mod download` leaves them:

    python -m sandbox.schema.generate --modules ~/go/pkg/mod/k8s.io --release 1.37.0

What is kept are facts: field names, types, list kinds, merge keys, protobuf field numbers. Descriptions are dropped.
"""

import argparse
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.kinds import BUILT_IN
from sandbox.schema.source import DATA

JSON = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_EXTRA_ROOTS = (f"{_META}.DeleteOptions", f"{_META}.Status")
_PREDECLARED = {"string", "bool", "byte", "int32", "int64", "float64", "any"}
# These marshal themselves: the reader knows their form, their Go fields say nothing.
_OPAQUE = re.compile(
    r"\.(Quantity|Time|MicroTime|Duration|IntOrString|FieldsV1|RawExtension|JSON|JSONSchemaPropsOr\w+)$"
)
_STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^(?:type |\t)(\w+) ((?:\[\]|map\[|string$|int)[\w\[\].]*)$", re.MULTILINE)
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.*\[\]]+)\s+`(.*)`", re.MULTILINE)
_TAG = re.compile(r'(\w+):"([^"]*)"')
_NUMBER = re.compile(r",(\d+),")
_IMPORT = re.compile(r'^\t?(?:import )?(?:(\w+) )?"(k8s\.io/[\w./-]+)"$', re.MULTILINE)
_IDENTIFIER = re.compile(r"(?<![\w.])(?:(\w+)\.)?([A-Za-z]\w*)(?![\w.])")


@dataclass
class _Package:
    """The types of one Go package, found in its source text. `name` is its prefix among definitions."""

    name: str
    structs: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    """Struct to (Go type, JSON tag, protobuf tag) of each field."""
    named: dict[str, str] = field(default_factory=dict)
    """Other named types to what they are."""


def main() -> None:
    """Write the data file anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=Path, required=True, help="the folder k8s.io of the Go module cache")
    parser.add_argument("--release", required=True, help="1.37.0")
    arguments = parser.parse_args()
    document = generate(arguments.modules, arguments.release)
    text = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    DATA.write_bytes(gzip.compress(text, 9, mtime=0))


def generate(modules: Path, release: str) -> JSON:
    """Schemas, Go fields and named types of everything the built-in kinds reach."""
    schemas = _closure(_read_schemas(modules / f"kubernetes@v{release}" / "api/openapi-spec/v3"))
    sources = _Sources(modules, "v0." + release.partition(".")[2])
    go: dict[str, list[list[Any]]] = {}
    waiting = sorted(schemas)
    while waiting:
        name = waiting.pop()
        if name in go or _OPAQUE.search(name):
            continue
        fields = sources.fields(name)
        if fields is not None:
            go[name] = fields
            waiting += [each[2] for each in fields if not each[1]]
    return {"release": release, "schemas": schemas, "go": go, "named": sources.used_names}


def _read_schemas(folder: Path) -> JSON:
    merged: JSON = {}
    for path in sorted(folder.glob("*.json")):
        merged |= json.loads(path.read_text())["components"].get("schemas", {})
    return merged


def _closure(schemas: JSON) -> JSON:
    by_kind = {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, schema in schemas.items()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
    }
    bodies = {
        (*(each.api_version.rpartition("/")[::2]), each.kind)
        for kind in BUILT_IN
        for each in kind.subresources
        if each.kind
    }
    wanted = [by_kind[key] for key in {(kind.group, kind.version, kind.kind) for kind in BUILT_IN} | bodies]
    wanted += _EXTRA_ROOTS
    found: JSON = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _strip(schemas[name])
            wanted += _references(schemas[name])
    return found


def _strip(schema: JSON) -> JSON:
    """The schema without prose, and without the many kinds that options and Status are declared for."""
    kept = {key: value for key, value in schema.items() if key not in {"description", "externalDocs"}}
    if len(kept.get("x-kubernetes-group-version-kind", ())) > 1:
        del kept["x-kubernetes-group-version-kind"]
    if "properties" in kept:
        kept["properties"] = {name: _strip(each) for name, each in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _strip(kept[key])
    return kept


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


class _Sources:
    """Go packages, read when first asked for."""

    def __init__(self, modules: Path, version: str) -> None:
        self._modules = modules
        self._version = version
        self._packages: dict[str, _Package] = {}
        self.used_names: dict[str, str] = {}

    def fields(self, name: str) -> list[list[Any]] | None:
        """[protobuf number, JSON name ("": inlined), Go type, "" | "omitempty" | "omitzero"], or None: no struct."""
        package_name, _, type_name = name.rpartition(".")
        package = self._package(package_name)
        if package is None or type_name not in package.structs:
            return None
        rows = []
        for go_type, json_tag, protobuf_tag in package.structs[type_name]:
            json_name, *flags = json_tag.split(",")
            if json_name == "-" or go_type.endswith(".TypeMeta"):
                continue
            self._note_names(go_type)
            number = _NUMBER.search(protobuf_tag)
            omit = next((flag for flag in ("omitzero", "omitempty") if flag in flags), "")
            rows.append([int(number[1]) if number else 0, json_name, go_type, omit])
        return rows

    def _note_names(self, go_type: str) -> None:
        for _, identifier in re.findall(r"()(io\.k8s\.[\w.-]+)", go_type):
            package_name, _, type_name = identifier.rpartition(".")
            package = self._package(package_name)
            if package and type_name in package.named and identifier not in self.used_names:
                self.used_names[identifier] = package.named[type_name]
                self._note_names(package.named[type_name])

    def _package(self, name: str) -> _Package | None:
        if name not in self._packages:
            module, _, path = name.removeprefix("io.k8s.").partition(".")
            folder = self._modules / f"{module}@{self._version}" / path.replace(".", "/")
            if not folder.is_dir():
                return None
            self._packages[name] = _read_package(name, folder)
        return self._packages[name]


def _read_package(name: str, folder: Path) -> _Package:
    package = _Package(name)
    for path in sorted(folder.glob("*.go")):
        if path.name.startswith(("zz_", "generated")) or path.name.endswith("_test.go"):
            continue
        text = path.read_text()
        imports = {
            alias or target.rpartition("/")[2]: target.replace("k8s.io/", "io.k8s.", 1).replace("/", ".")
            for alias, target in _IMPORT.findall(text)
        }
        for struct, body in _STRUCT.findall(text):
            package.structs[struct] = list(_read_fields(body, name, imports))
        for named, target in _NAMED.findall(text):
            package.named[named] = _qualify(target, name, imports)
    return package


def _read_fields(body: str, package: str, imports: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for _, go_type, tags in _FIELD.findall(body):
        by_name = dict(_TAG.findall(tags))
        json_tag, protobuf_tag = by_name.get("json", ""), by_name.get("protobuf", "")
        yield _qualify(go_type, package, imports), json_tag, protobuf_tag


def _qualify(go_type: str, package: str, imports: dict[str, str]) -> str:
    """The Go type with every named type spelt as the definitions spell it."""

    def full(match: re.Match[str]) -> str:
        alias, identifier = match.groups()
        if alias:
            return f"{imports.get(alias, alias)}.{identifier}"
        return identifier if identifier in _PREDECLARED or identifier == "map" else f"{package}.{identifier}"

    return _IDENTIFIER.sub(full, go_type)


if __name__ == "__main__":
    main()
