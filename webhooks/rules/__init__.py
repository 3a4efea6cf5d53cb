"""The table of admission rules: one row a rule, in the order in which they run.

Names are stable: switches, metrics, audit annotations and tests/cases/admission use them. The registration with the
API server (deploy/webhooks.py) is generated from this table. Later rules of a kind see the object as the earlier ones
left it; validating rules see what would be stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from model.resources import CLAIMS, CLASSES, SNAPSHOT_CLASSES, VOLUMES, Resource
from webhooks.rules import (
    claim,
    claim_checks,
    claim_policy,
    storage_class,
    storage_class_policy,
    volume,
    volume_checks,
    volume_policy,
)
from webhooks.rules.rule import Action, Check, Kind, Needs, Operation, Phase, Rule, no_needs, refusing

CREATE: Final = frozenset({Operation.CREATE})
WRITE: Final = frozenset({Operation.CREATE, Operation.UPDATE})
UPDATE: Final = frozenset({Operation.UPDATE})
DELETE: Final = frozenset({Operation.DELETE})


def _mutates(
    name: str,
    resource: Resource[Any],
    check: Check,
    operations: frozenset[Operation] = WRITE,
    needs: Needs = no_needs,
) -> Rule:
    return Rule(name, resource, frozenset({Phase.MUTATE}), operations, check, needs)


def _refuses(name: str, resource: Resource[Any], check: Check, operations: frozenset[Operation] = CREATE) -> Rule:
    return Rule(name, resource, frozenset({Phase.VALIDATE}), operations, check, kind=Kind.REFUSES)


def _warns(name: str, resource: Resource[Any], check: Check, operations: frozenset[Operation] = CREATE) -> Rule:
    return Rule(name, resource, frozenset({Phase.VALIDATE}), operations, check, kind=Kind.WARNS)


def _stricter(name: str, than: str) -> Rule:
    """The same as a rule that warns, refusing."""
    rule = next(each for each in DEFAULTS if each.name == than)
    return replace(rule, name=name, check=refusing(rule.check), kind=Kind.REFUSES, instead_of=than)


DEFAULTS: Final[tuple[Rule, ...]] = (
    _mutates("pv-ga-topology-labels", VOLUMES, volume.topology_labels),
    _mutates("pv-affinity-ga-keys", VOLUMES, volume.affinity_keys),
    _mutates("pv-zone-affinity", VOLUMES, volume.zone_affinity),
    _mutates("pv-class-annotation", VOLUMES, volume.class_annotation),
    _mutates("pv-mount-options-annotation", VOLUMES, volume.mount_options_annotation),
    _mutates("pv-mount-options", VOLUMES, volume.mount_options),
    _mutates("pv-volume-handle-trim", VOLUMES, volume.volume_handle),
    _mutates("pv-access-modes-dedupe", VOLUMES, volume.access_modes),
    _mutates("pv-whole-bytes", VOLUMES, volume.whole_capacity),
    _mutates("pv-stale-claimref", VOLUMES, volume.stale_claim, WRITE, volume.stale_claim_needs),
    _refuses("pv-claimref-incomplete", VOLUMES, volume_checks.claim_reference, WRITE),
    _refuses("pv-duplicate-handle", VOLUMES, volume_checks.duplicate_handle),
    _refuses("pv-hostpath-protected", VOLUMES, volume_checks.protected_path),
    _refuses("pv-claimref-repoint", VOLUMES, volume_checks.claim_reference_moved, UPDATE),
    _warns("pv-static-delete", VOLUMES, volume_checks.static_delete),
    _warns("pv-affinity-no-node", VOLUMES, volume_checks.affinity_without_node),
    _warns("pv-delete-bound", VOLUMES, volume_checks.delete_bound, DELETE),
    _mutates("pvc-class-annotation", CLAIMS, claim.class_annotation),
    _mutates("pvc-access-modes-dedupe", CLAIMS, claim.access_modes),
    _mutates("pvc-whole-bytes", CLAIMS, claim.whole_request),
    _mutates("pvc-stale-binding", CLAIMS, claim.stale_binding, CREATE),
    _mutates("pvc-prebound-class", CLAIMS, claim.prebound_class),
    Rule(
        "pvc-cross-namespace-grant",
        CLAIMS,
        frozenset(Phase),
        CREATE,
        claim_checks.cross_namespace_source,
        claim_checks.cross_namespace_needs,
        Kind.REFUSES,
    ),
    _refuses("pvc-prebound-mode", CLAIMS, claim_checks.prebound_mode),
    _warns("pvc-volume-reserved", CLAIMS, claim_checks.volume_reserved),
    _warns("pvc-prebound-mismatch", CLAIMS, claim_checks.prebound_mismatch),
    _warns("pvc-unknown-class", CLAIMS, claim_checks.unknown_class),
    _warns("pvc-tiny-request", CLAIMS, claim_checks.tiny_request),
    _warns("pvc-selector-dynamic", CLAIMS, claim_checks.selector_without_volume),
    _warns("pvc-exceeds-capacity", CLAIMS, claim_checks.exceeds_capacity),
    _mutates("sc-ga-default-annotation", CLASSES, storage_class.default_annotation),
    _mutates("sc-ga-topology-keys", CLASSES, storage_class.topology_keys),
    _mutates("sc-csi-key-spelling", CLASSES, storage_class.parameter_keys),
    _mutates("sc-parameter-whitespace", CLASSES, storage_class.parameter_values),
    _mutates("sc-mount-options", CLASSES, storage_class.mount_options),
    _refuses("sc-csi-secret-pair", CLASSES, storage_class.secret_pairs),
    _refuses("sc-csi-fstype-twice", CLASSES, storage_class.file_system_types),
    _warns("sc-csi-unknown-key", CLASSES, storage_class.unknown_keys),
    _warns("sc-multiple-defaults", CLASSES, storage_class.multiple_defaults, WRITE),
    _warns("sc-unknown-topology-key", CLASSES, storage_class.unknown_topology_keys, WRITE),
    _warns("sc-no-provisioner-immediate", CLASSES, storage_class.immediate_local),
    _warns("sc-delete-in-use", CLASSES, storage_class.delete_in_use, DELETE),
)
"""The rules that are on unless they are switched off."""

CHOSEN: Final[tuple[Rule, ...]] = (
    _mutates("pv-drop-beta-labels", VOLUMES, volume_policy.drop_beta_labels, CREATE),
    _mutates("pv-zone-affinity-partial", VOLUMES, volume_policy.zone_affinity_partial),
    _mutates("pv-fstype-default", VOLUMES, volume_policy.fs_type),
    _mutates("pv-in-tree-to-csi", VOLUMES, volume_policy.in_tree_to_csi),
    _mutates("pv-static-retain", VOLUMES, volume_policy.static_retain, CREATE),
    _stricter("pv-affinity-no-node-deny", "pv-affinity-no-node"),
    _stricter("pv-delete-bound-deny", "pv-delete-bound"),
    replace(
        _refuses("pv-claimref-repoint-strict", VOLUMES, volume_policy.repoint_strict, UPDATE),
        instead_of="pv-claimref-repoint",
    ),
    _mutates("pvc-default-class", CLAIMS, claim_policy.default_class_of),
    _mutates("pvc-size-step", CLAIMS, claim_policy.size_step),
    _mutates(
        "pvc-drop-selected-node", CLAIMS, claim_policy.selected_node_gone, CREATE, claim_policy.selected_node_needs
    ),
    _stricter("pvc-unknown-class-deny", "pvc-unknown-class"),
    _warns("pvc-class-driver-missing", CLAIMS, claim_policy.driver_missing),
    _refuses("pvc-max-size", CLAIMS, claim_policy.max_size, WRITE),
    _refuses("pvc-min-size", CLAIMS, claim_policy.min_size, WRITE),
    _refuses("pvc-access-mode-support", CLAIMS, claim_policy.access_mode_support),
    _refuses("pvc-selected-node-topology", CLAIMS, claim_policy.selected_node_topology, WRITE),
    _mutates("sc-binding-mode", CLASSES, storage_class_policy.binding_mode),
    _mutates("sc-reclaim-policy", CLASSES, storage_class_policy.reclaim_policy),
    _mutates("sc-expansion", CLASSES, storage_class_policy.expansion),
    _mutates("sc-deprecated-keys", CLASSES, storage_class_policy.deprecated_keys),
    _stricter("sc-multiple-defaults-deny", "sc-multiple-defaults"),
    _stricter("sc-delete-in-use-deny", "sc-delete-in-use"),
    _refuses("vsc-one-default", SNAPSHOT_CLASSES, storage_class_policy.snapshot_default, WRITE),
)
"""The rules that are off unless they are asked for: reasonable for some clusters, wrong for others."""

RULES: Final[tuple[Rule, ...]] = (*DEFAULTS, *(replace(each, default=False) for each in CHOSEN))
BY_NAME: Final[Mapping[str, Rule]] = {each.name: each for each in RULES}

KEEP_ANNOTATIONS: Final = "keep-deprecated-annotations"
"""No rule, but switched like one: rules copy deprecated annotations in place of moving them."""


class UnknownRuleError(ValueError):
    """No rule has that name; the message lists what was perhaps meant."""


def select(enable: Iterable[str] = (), disable: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The rules to run: those on by default and those of `enable`, without those of `disable`.

    Raises:
        UnknownRuleError: a name that no rule has.
    """
    switches = dict.fromkeys(known(enable), Action.ON) | dict.fromkeys(known(disable), Action.OFF)
    return acting(switches)


def acting(actions: Mapping[str, Action]) -> tuple[Rule, ...]:
    """The rules to run, in order, each set to its action; those that are not named are as they are by default."""
    chosen = {
        rule.name: rule.acting(action)
        for rule in RULES
        if (action := actions.get(rule.name, Action.ON if rule.default else Action.OFF)) is not Action.OFF
    }
    replaced = {rule.instead_of for rule in chosen.values()}
    return tuple(rule for name, rule in chosen.items() if name not in replaced)


def meant(name: str, names: Iterable[str]) -> str:
    """A hint at what a wrong name was perhaps to be."""
    similar = get_close_matches(name, sorted(names), n=3)
    return f"did you mean {' or '.join(similar)}?" if similar else "the documentation lists them"


def known(wanted: Iterable[str]) -> frozenset[str]:
    """The names, all of rules.

    Raises:
        UnknownRuleError: one is not.
    """
    wanted = frozenset(wanted)
    for name in sorted(wanted - BY_NAME.keys()):
        raise UnknownRuleError(f"no admission rule is called {name!r}; {meant(name, BY_NAME)}")
    return wanted
