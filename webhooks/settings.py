"""The settings file of the webhooks: which rules run, what each does, and the numbers that some need.

    rules:
      pv-hostpath-protected: {paths: [/etc, /boot]}
      pvc-unknown-class: refuse
      pvc-max-size: {sizes: {fast: 10Ti, "*": 1Ti}}
    namespaces:
      - selector: {matchLabels: {env: dev}}
        rules: {pvc-unknown-class: off}

A rule is given an action (off, on, warn, refuse), or a mapping with `action` and its option. Entries of `namespaces`
set the actions of rules of claims where the namespace's labels match; of several that match, later ones win. All that
is wrong in a file is reported at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from model.resources import CLAIMS, NAMESPACES, SNAPSHOT_CLASSES, Resource
from model.selectors import Labels, LabelSelector
from webhooks import manifests
from webhooks.facts import CACHED
from webhooks.manifests import ManifestError
from webhooks.options import OPTIONS, Problems, SettingsError
from webhooks.rules import BY_NAME, KEEP_ANNOTATIONS, acting, known
from webhooks.rules.policy import Policy
from webhooks.rules.rule import Action, Rule


@dataclass(frozen=True)
class NamespaceRules:
    """Actions for the claims of some namespaces."""

    selector: LabelSelector
    actions: Mapping[str, Action]


@dataclass(frozen=True)
class Settings:
    """What the rules of one process do."""

    actions: Mapping[str, Action] = field(default_factory=dict)
    """Of rules that are not as they are by default."""
    policy: Policy = field(default_factory=Policy)
    namespaces: tuple[NamespaceRules, ...] = ()

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that run where no entry of `namespaces` applies."""
        return acting(self.actions)

    @cached_property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules that may run anywhere: what is registered, counted, and looked up."""
        sets = [self.rules, *(acting({**self.actions, **each.actions}) for each in self.namespaces)]
        return tuple({rule.name: rule for rules in reversed(sets) for rule in rules}.values())

    @property
    def looks_at_namespaces(self) -> bool:
        """Whether the labels of a claim's namespace matter."""
        return bool(self.namespaces)

    @cached_property
    def caches(self) -> tuple[Resource[Any], ...]:
        """The resources to be cached for these rules."""
        snapshots = any(each.resource is SNAPSHOT_CLASSES for each in self.all_rules)
        more: tuple[tuple[Resource[Any], bool], ...] = (
            (NAMESPACES, self.looks_at_namespaces),
            (SNAPSHOT_CLASSES, snapshots),
        )
        return (*CACHED, *(resource for resource, is_wanted in more if is_wanted))

    def rules_for(self, labels: Labels) -> tuple[Rule, ...]:
        """The rules for the claims of a namespace with these labels."""
        matching = tuple(number for number, each in enumerate(self.namespaces) if each.selector.matches(labels))
        return self._combined(matching) if matching else self.rules

    def switched(self, enable: Iterable[str] = (), disable: Iterable[str] = ()) -> "Settings":
        """The same with these rules on and those off.

        Raises:
            UnknownRuleError: a name that no rule has.
            SettingsError: a rule that needs an option is to be on without it.
        """
        switches = dict.fromkeys(known(enable), Action.ON) | dict.fromkeys(known(disable), Action.OFF)
        switched = replace(self, actions={**self.actions, **switches})
        problems = Problems()
        _check_options(switched, problems)
        problems.finish("settings")
        return switched

    @cached_property
    def _made(self) -> dict[tuple[int, ...], tuple[Rule, ...]]:
        return {}

    def _combined(self, matching: tuple[int, ...]) -> tuple[Rule, ...]:
        if matching not in self._made:
            actions = dict(self.actions)
            for number in matching:
                actions |= self.namespaces[number].actions
            self._made[matching] = acting(actions)
        return self._made[matching]


def load(path: Path) -> Settings:
    """The settings of a file.

    Raises:
        SettingsError: it can not be read, or something in it is wrong; the message names the file and every place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return parse(text, str(path))


def chosen(path: Path | None, enable: Iterable[str] = (), disable: Iterable[str] = ()) -> Settings:
    """The settings of a file, if there is one, with these rules on and those off.

    Raises:
        UnknownRuleError, SettingsError: as `load` and `Settings.switched`.
    """
    return (Settings() if path is None else load(path)).switched(enable, disable)


def parse(text: str, source: str = "settings") -> Settings:
    """The settings of a text in YAML, of which messages speak as `source`.

    Raises:
        SettingsError: something is wrong; the message has a line for everything that is.
    """
    try:
        content = manifests.load(text, source)
    except ManifestError as error:
        raise SettingsError(str(error)) from error
    problems = Problems()
    settings = _settings(content, problems)
    _check_options(settings, problems)
    problems.finish(source)
    return settings


def _settings(content: Any, problems: Problems) -> Settings:
    given = problems.mapping(content, "", ("rules", "namespaces"))
    options: dict[str, Any] = {}
    actions = _actions(given.get("rules"), "rules", problems, options)
    keeps = actions.pop(KEEP_ANNOTATIONS, Action.OFF)
    entries = problems.sequence(given.get("namespaces"), "namespaces")
    namespaces = [_namespace(each, f"namespaces[{place}]", problems) for place, each in enumerate(entries)]
    policy = Policy(keep_annotations=keeps is not Action.OFF, **options)
    return Settings(actions, policy, tuple(namespaces))


def _namespace(entry: Any, where: str, problems: Problems) -> NamespaceRules:
    given = problems.mapping(entry, where, ("selector", "rules"))
    actions = _actions(given.get("rules"), f"{where}.rules", problems, None)
    for name in actions:
        if name == KEEP_ANNOTATIONS or BY_NAME[name].resource is not CLAIMS:
            problems.add(f"{where}.rules.{name}", "only rules of claims can differ by namespace")
    return NamespaceRules(_selector(given.get("selector"), f"{where}.selector", problems), actions)


def _selector(value: Any, where: str, problems: Problems) -> LabelSelector:
    given = problems.mapping(value, where, ("matchLabels", "matchExpressions"))
    if not given:
        problems.add(where, "is required: matchLabels, matchExpressions or both")
    try:
        return msgspec.convert(given, LabelSelector)
    except msgspec.ValidationError as error:
        problems.add(where, str(error))
        return LabelSelector()


def _actions(value: Any, where: str, problems: Problems, options: dict[str, Any] | None) -> dict[str, Action]:
    """The actions given to rules; their options go into `options`, where they may be given."""
    actions: dict[str, Action] = {}
    for name, entry in problems.mapping(value, where, (*BY_NAME, KEEP_ANNOTATIONS)).items():
        place = f"{where}.{name}"
        said = _spelt_out(name, entry, place, problems, options) if isinstance(entry, dict) else entry
        action = _action(name, said, place, problems)
        if action is not None:
            actions[name] = action
    return actions


def _spelt_out(name: str, entry: dict[str, Any], where: str, problems: Problems, options: dict[str, Any] | None) -> Any:
    """The action of a rule that is given a mapping; its option goes into `options`."""
    option = OPTIONS.get(name) if options is not None else None
    given = problems.mapping(entry, where, ("action", *((option.key,) if option else ())))
    if options is not None and option is not None and option.key in given:
        options[option.field] = option.parse(given[option.key], f"{where}.{option.key}", problems)
    return given.get("action", Action.ON)


def _action(name: str, value: Any, where: str, problems: Problems) -> Action | None:
    possible = BY_NAME[name].actions if name in BY_NAME else {Action.OFF, Action.ON}
    said = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
    if not isinstance(said, str) or said not in {str(each) for each in possible}:
        names = [str(each) for each in Action if each in possible]
        problems.add(where, f"{value!r} is none of its actions: {', '.join(names)}")
        return None
    return Action(said)


def _check_options(settings: Settings, problems: Problems) -> None:
    default = Policy()
    for rule in settings.all_rules:
        option = OPTIONS.get(rule.name)
        if option is None or not option.required:
            continue
        if getattr(settings.policy, option.field) == getattr(default, option.field):
            problems.add(f"rules.{rule.name}", f"needs `{option.key}`: {option.about}")
