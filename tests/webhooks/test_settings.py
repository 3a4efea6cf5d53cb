"""The settings file: what it sets, and that all that is wrong in it is said at once."""

from pathlib import Path

import pytest

from model.resources import NAMESPACES, SNAPSHOT_CLASSES
from webhooks.facts import CACHED
from webhooks.options import OPTIONS
from webhooks.rules import CHOSEN, DEFAULTS, KEEP_ANNOTATIONS, RULES, UnknownRuleError
from webhooks.rules.policy import DefaultClass, Policy
from webhooks.settings import Settings, SettingsError, chosen, load, parse

EVERYTHING = """
rules:
  pv-hostpath-protected: {action: warn, paths: [/secret]}
  pv-fstype-default: {types: {block.csi.example.com: xfs}}
  pv-claimref-repoint-strict: {users: ["system:serviceaccount:a:b"]}
  pvc-unknown-class: refuse
  pvc-tiny-request: off
  pvc-max-size: {sizes: {fast: 10Ti, "*": 1Ti}}
  pvc-min-size: {sizes: {"*": 1Gi}}
  pvc-size-step: {steps: {"*": 1Gi}}
  pvc-default-class: {classes: [{class: gold, namespaces: [bank], labels: {tier: db}}]}
  pvc-access-mode-support: {modes: {block.csi.example.com: [ReadWriteOnce]}}
  sc-binding-mode: {provisioners: [a]}
  sc-reclaim-policy: {provisioners: [b]}
  sc-expansion: {provisioners: ["*"]}
  keep-deprecated-annotations: on
"""


def names(settings: Settings) -> set[str]:
    return {rule.name for rule in settings.rules}


def test_an_empty_file_is_the_default() -> None:
    for text in ("", "rules:", "{}", "rules: {}\nnamespaces: []"):
        assert parse(text) == Settings()
    assert names(Settings()) == {rule.name for rule in DEFAULTS}


def test_every_option_arrives_at_its_place() -> None:
    settings = parse(EVERYTHING)
    assert settings.policy == Policy(
        protected_paths=("/secret",),
        keep_annotations=True,
        max_sizes={"fast": "10Ti", "*": "1Ti"},
        min_sizes={"*": "1Gi"},
        size_steps={"*": "1Gi"},
        default_classes=(DefaultClass("gold", ("bank",), {"tier": "db"}),),
        access_modes={"block.csi.example.com": ("ReadWriteOnce",)},
        fs_types={"block.csi.example.com": "xfs"},
        repointers=("system:serviceaccount:a:b",),
        waiting=("a",),
        retaining=("b",),
        expanding=("*",),
    )
    assert {"pvc-max-size", "sc-expansion", "pv-claimref-repoint-strict"} <= names(settings)
    assert "pvc-tiny-request" not in names(settings)
    assert "pv-claimref-repoint" not in names(settings), "the strict one takes its place"
    assert set(OPTIONS) <= {name.strip().partition(":")[0] for name in EVERYTHING.splitlines()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: {pvc-unknow-class: off}", "rules.pvc-unknow-class: is not known; did you mean pvc-unknown-class"),
        ("rule: {}", "rule: is not known; did you mean rules"),
        ("rules: []", "rules: is a list, not a mapping"),
        ("[]", "is a list, not a mapping"),
        ("rules: {pvc-tiny-request: maybe}", "'maybe' is none of its actions: off, on, warn, refuse"),
        ("rules: {pv-mount-options: refuse}", "'refuse' is none of its actions: off, on, warn"),
        ("rules: {keep-deprecated-annotations: warn}", "none of its actions: off, on"),
        ("rules: {pvc-tiny-request: 1}", "1 is none of its actions"),
        ("rules: {pvc-max-size: on}", "rules.pvc-max-size: needs `sizes`"),
        ("rules: {pvc-max-size: {size: {a: 1Gi}}}", "rules.pvc-max-size.size: is not known; did you mean sizes"),
        ("rules: {pvc-max-size: {sizes: {a: 1Gx}}}", "rules.pvc-max-size.sizes.a: '1Gx' is no quantity"),
        ("rules: {pvc-max-size: {sizes: {a: 100m}}}", "less than a byte"),
        ("rules: {pvc-tiny-request: {sizes: {a: 1Gi}}}", "rules.pvc-tiny-request.sizes: is not known"),
        ("rules: {pv-hostpath-protected: {paths: [etc]}}", "paths[0]: 'etc' is no absolute path"),
        ("rules: {pv-hostpath-protected: {paths: /etc}}", "paths: is a str, not a list"),
        ("rules: {pv-hostpath-protected: {paths: [7]}}", "paths[0]: 7 is no text"),
        ("rules: {pvc-access-mode-support: {modes: {d: [ReadWriteOnze]}}}", "did you mean ReadWriteOnce"),
        ("rules: {pvc-default-class: {classes: [{klass: a}]}}", "classes[0].klass: is not known; did you mean class"),
        ("rules: {pvc-default-class: {classes: [{namespaces: [a]}]}}", "classes[0].class: None is no text"),
        ("namespaces: [{rules: {pvc-tiny-request: off}}]", "namespaces[0].selector: is required"),
        (
            "namespaces: [{selector: {matchLabels: {a: b}}, rules: {pv-static-delete: off}}]",
            "namespaces[0].rules.pv-static-delete: only rules of claims",
        ),
        (
            "namespaces: [{selector: {matchLabels: {a: b}}, rules: {pvc-max-size: {sizes: {a: 1Gi}}}}]",
            "namespaces[0].rules.pvc-max-size.sizes: is not known",
        ),
        ("namespaces: [{selector: {matchLabel: {a: b}}}]", "did you mean matchLabels"),
        ("namespaces: [{selector: {matchLabels: {a: 1}}}]", "namespaces[0].selector: "),
        ("rules: {pvc-tiny-request: off, pvc-tiny-request: on}", "'pvc-tiny-request' stands there twice"),
        ("rules: {1: off}", "rules.1: is not known"),
        ("{", "settings:1: no YAML: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(text)
    assert said in str(error.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        parse("rules: {a: off, pvc-tiny-request: maybe, pvc-max-size: on}\nnamespaces: [{}]\nmore: 1")
    assert len(str(error.value).splitlines()) == 5


@pytest.mark.parametrize("word", ["off", "'off'", "false", "OFF"])
def test_off_is_an_action_whatever_yaml_makes_of_it(word: str) -> None:
    assert "pvc-tiny-request" not in names(parse(f"rules: {{pvc-tiny-request: {word}}}"))


def test_a_file_is_named_in_every_line(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    with pytest.raises(SettingsError, match="No such file"):
        load(path)
    path.write_text("a: 1\nb: 2")
    with pytest.raises(SettingsError) as error:
        load(path)
    assert [line.startswith(f"{path}: ") for line in str(error.value).splitlines()] == [True, True]
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError):
        load(path)


def test_switches_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: {pvc-tiny-request: off, pvc-max-size: {action: off, sizes: {a: 1Gi}}}")
    settings = chosen(path, ["pvc-tiny-request", "pvc-max-size"], ["pv-static-delete"])
    assert {"pvc-tiny-request", "pvc-max-size"} <= names(settings)
    assert "pv-static-delete" not in names(settings)
    with pytest.raises(UnknownRuleError, match="did you mean pvc-max-size"):
        chosen(None, ["pvc-maxsize"])
    with pytest.raises(SettingsError, match="needs `sizes`"):
        chosen(None, ["pvc-max-size"])


DEVELOPMENT = """
rules: {pvc-unknown-class: refuse}
namespaces:
  - selector: {matchLabels: {env: dev}}
    rules: {pvc-unknown-class: warn, pvc-tiny-request: off}
  - selector: {matchExpressions: [{key: strict, operator: Exists}]}
    rules: {pvc-unknown-class: refuse, pvc-class-driver-missing: on}
"""


def test_namespaces_have_actions_of_their_own() -> None:
    settings = parse(DEVELOPMENT)
    assert settings.rules_for({}) == settings.rules
    dev = {rule.name: rule for rule in settings.rules_for({"env": "dev"})}
    both = {rule.name: rule for rule in settings.rules_for({"env": "dev", "strict": ""})}
    original = next(each for each in RULES if each.name == "pvc-unknown-class")
    assert dev["pvc-unknown-class"].check is original.check
    assert both["pvc-unknown-class"].check is not original.check
    assert "pvc-tiny-request" not in dev
    assert "pvc-class-driver-missing" in both
    assert settings.rules_for({"env": "dev"}) is settings.rules_for({"env": "dev", "x": "y"}), "made once"
    assert {"pvc-class-driver-missing", "pvc-tiny-request"} <= {rule.name for rule in settings.all_rules}


def test_only_what_is_looked_at_is_cached() -> None:
    assert Settings().caches == CACHED
    assert parse(DEVELOPMENT).caches == (*CACHED, NAMESPACES)
    assert parse("rules: {vsc-one-default: on}").caches == (*CACHED, SNAPSHOT_CLASSES)


def test_rules_that_are_asked_for_can_all_be_had() -> None:
    on = parse(EVERYTHING).switched(rule.name for rule in CHOSEN)
    assert {rule.name for rule in CHOSEN} <= {rule.name for rule in on.rules}
    assert KEEP_ANNOTATIONS not in on.actions
