"""Manifests read with their places, and changed where they stand."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from model.meta import JSON
from tests.webhooks.test_rule_laws import OBJECTS
from webhooks.check import check
from webhooks.fixing import fixed
from webhooks.manifests import ManifestError, load, path_of, split

TEXT = """\
# A volume of the old days.
apiVersion: v1
kind: PersistentVolume   # the kind
metadata:
  name: pv-1
  annotations:
    # ours
    example.com/team: "ledger"
    volume.beta.kubernetes.io/storage-class: slow  # deprecated
  # about the labels

  labels: {app: 'db'}
spec:
    mountOptions:
      - " ro "   # read only
      - ""  # nothing
      # then
      - hard
    capacity: {storage: 1.1Gi, other: 0x10}
    csi:
        driver: d   # the driver
        volumeHandle: ' v '
---
# nothing here
---
kind: Other
when: 2026-01-01
"""


def change(text: str, place: int, do: Any) -> str:
    document = split(text, "f")[place]
    new = copy.deepcopy(document.content)
    do(new)
    return fixed(text, [(document, new)])


def test_documents_have_their_numbers_values_and_lines() -> None:
    volume, other = split(TEXT, "f")
    assert (volume.number, other.number) == (1, 3)
    assert other.content == {"kind": "Other", "when": "2026-01-01"}, "times are texts"
    assert volume.content["spec"]["capacity"]["other"] == 16
    lines = TEXT.splitlines()
    for path, shown in (
        ("spec.csi.volumeHandle", "volumeHandle: "),
        ("metadata.annotations[volume.beta.kubernetes.io/storage-class]", "volume.beta"),
        ("spec.mountOptions[2]", "- hard"),
        ("spec.csi.nowhere", "csi:"),
        ("nowhere", "apiVersion"),
    ):
        assert shown in lines[volume.line_of(path_of(path)) - 1], path
    assert lines[other.line_of(["when"]) - 1].startswith("when")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "f:2: key 'a' stands there twice"),
        ("- a", "f:1: a manifest is a mapping, not a list"),
        ("a: 1\n---\njust words", "f:3: a manifest is a mapping, not a text"),
        ("a: [", "f:1: no YAML"),
        ("a: b: c", "f:1: no YAML"),
        ("a: {{ .Values.x }}", "f:1: "),
        ("x: &x {a: 1}\ny: {<<: *x}", "f:2: merge keys"),
        ("? [a]\n: b", "f:1: a key is a text"),
        ("a: \x01", "no YAML"),
    ],
)
def test_what_is_no_manifest_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ManifestError) as error:
        split(text, "f")
    assert said in str(error.value)


def test_one_document_may_be_asked_for() -> None:
    assert load("", "f") is None
    assert load("a: 1", "f") == {"a": 1}
    with pytest.raises(ManifestError, match="f:3: one document is expected"):
        load("a: 1\n---\nb: 2", "f")


def test_only_what_differs_is_touched() -> None:
    def normalize(volume: JSON) -> None:
        del volume["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"]
        volume["metadata"]["labels"]["x/y"] = "1"
        volume["spec"] |= {"storageClassName": "slow", "mountOptions": ["ro", "hard"]}
        volume["spec"]["csi"]["volumeHandle"] = "v"
        volume["spec"]["capacity"]["storage"] = "1181116007"

    wanted = TEXT
    for old, new in (
        ("    volume.beta.kubernetes.io/storage-class: slow  # deprecated\n", ""),
        ("{app: 'db'}", '{app: \'db\', "x/y": "1"}'),
        ('- " ro "   #', '- "ro"   #'),
        ('      - ""  # nothing\n', ""),
        ("storage: 1.1Gi", 'storage: "1181116007"'),
        ("volumeHandle: ' v '\n", "volumeHandle: 'v'\n    storageClassName: slow\n"),
    ):
        assert old in wanted
        wanted = wanted.replace(old, new)
    assert change(TEXT, 0, normalize) == wanted


@pytest.mark.parametrize(
    ("text", "do", "wanted"),
    [
        pytest.param("a: {b: 1}", lambda each: each["a"].update(c="2"), 'a: {b: 1, "c": "2"}', id="flow"),
        pytest.param("a: {b: 1, c: 2}", lambda each: each["a"].pop("b"), "a: {c: 2}", id="first of a flow"),
        pytest.param("a: {b: 1, c: 2}", lambda each: each["a"].pop("c"), "a: {b: 1}", id="last of a flow"),
        pytest.param("a:\n  b: 1\nc: 2\n", lambda each: each["a"].pop("b"), "c: 2\n", id="a mapping that is emptied"),
        pytest.param("a:\nb: 1", lambda each: each.update(a={"x": "y"}), 'a: {"x": "y"}\nb: 1', id="nothing"),
        pytest.param("a: {}\n", lambda each: each.update(a={"x": "y"}), 'a: {"x": "y"}\n', id="an empty mapping"),
        pytest.param("a: x", lambda each: each.update(b="y"), "a: x\nb: y\n", id="no newline at the end"),
        pytest.param("a: |\n  x\nb: 1\n", lambda each: each.update(a="y"), "a: y\nb: 1\n", id="a block"),
        pytest.param('{\n  "a": "x"\n}\n', lambda each: each.update(a="y"), '{\n  "a": "y"\n}\n', id="JSON"),
        pytest.param("a: x", lambda each: each.update(a="true"), 'a: "true"', id="a text that looks like a truth"),
        pytest.param("a: x", lambda each: each.update(a="1"), 'a: "1"', id="a text that looks like a number"),
        pytest.param("a: 'x'", lambda each: each.update(a="it's"), "a: 'it''s'", id="quotes"),
        pytest.param("a: [x, x, y]", lambda each: each.update(a=["x", "y"]), 'a: ["x", "y"]', id="a flow list"),
        pytest.param(
            "a:\n- k: old\n- k: z\n", lambda each: each["a"][0].update(k="new"), "a:\n- k: new\n- k: z\n",
            id="inside of a list",
        ),
        pytest.param("p:\n  Old: x  # c\n  n: y\n", lambda each: each.update(p={"n": "y", "new": "x"}),
                     "p:\n  new: x  # c\n  n: y\n", id="a key renamed"),
        pytest.param("a: x\r\nb: y\r\n", lambda each: each.pop("a"), "b: y\r\n", id="other line ends"),
    ],
)  # fmt: skip
def test_forms_of_yaml(text: str, do: Any, wanted: str) -> None:
    assert change(text, 0, do) == wanted


@pytest.mark.parametrize(
    ("text", "do"),
    [
        ("a:\n- x\n", lambda each: each["a"].append("y")),
        ("a:\n- b: 1\n  c: 2\n", lambda each: each["a"][0].pop("b")),
        ("x: &x {a: 1}\ny: *x\n", lambda each: each["y"].update(a="2")),
    ],
)
def test_what_can_not_be_changed_in_place_is_refused(text: str, do: Any) -> None:
    with pytest.raises(ManifestError, match="mend it by hand"):
        change(text, 0, do)


STYLES = st.sampled_from([{"default_flow_style": False}, {"default_flow_style": True}, {"default_flow_style": None},
                          {"default_flow_style": False, "indent": 4}])  # fmt: skip


@settings(max_examples=60)
@given(st.lists(OBJECTS, min_size=1, max_size=2), STYLES)
def test_whatever_the_rules_make_of_a_manifest_can_be_written(objects: list[JSON], style: dict[str, Any]) -> None:
    text = yaml.safe_dump_all(objects, **style)
    documents = split(text, "f")
    normal = [each.content for each in documents]
    for report in check(normal):
        normal[report.position] = patched(normal[report.position], report.patch)
    result = fixed(text, list(zip(documents, normal, strict=True)))
    assert [without_empty(each.content) for each in split(result, "f")] == [without_empty(each) for each in normal]
    assert all(not report.patch for report in check([each.content for each in split(result, "f")]))


def patched(raw: JSON, operations: list[JSON]) -> JSON:
    import jsonpatch

    result: JSON = jsonpatch.apply_patch(raw, operations)
    return result


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: without_empty(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in ({}, [])}
    return [without_empty(each) for each in value] if isinstance(value, list) else value
