"""The table of admission rules: one row a rule, in the order in which they run.

Names are stable: switches, metrics, audit annotations and tests/cases/admission use them. The registration with the
API server (deploy/webhooks.py) is generated from this table. Later rules of a kind see the object as the earlier ones
left it; validating rules see what would be stored.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from model.resources import CLAIMS, CLASSES, VOLUMES, Resource
from webhooks.rules import claim, claim_checks, storage_class, volume, volume_checks
from webhooks.rules.rule import Check, Needs, Operation, Phase, Rule, no_needs

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


def _validates(name: str, resource: Resource[Any], check: Check, operations: frozenset[Operation] = CREATE) -> Rule:
    return Rule(name, resource, frozenset({Phase.VALIDATE}), operations, check)


RULES: Final[tuple[Rule, ...]] = (
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
    _validates("pv-claimref-incomplete", VOLUMES, volume_checks.claim_reference, WRITE),
    _validates("pv-duplicate-handle", VOLUMES, volume_checks.duplicate_handle),
    _validates("pv-hostpath-protected", VOLUMES, volume_checks.protected_path),
    _validates("pv-claimref-repoint", VOLUMES, volume_checks.claim_reference_moved, UPDATE),
    _validates("pv-static-delete", VOLUMES, volume_checks.static_delete),
    _validates("pv-affinity-no-node", VOLUMES, volume_checks.affinity_without_node),
    _validates("pv-delete-bound", VOLUMES, volume_checks.delete_bound, DELETE),
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
    ),
    _validates("pvc-prebound-mode", CLAIMS, claim_checks.prebound_mode),
    _validates("pvc-volume-reserved", CLAIMS, claim_checks.volume_reserved),
    _validates("pvc-prebound-mismatch", CLAIMS, claim_checks.prebound_mismatch),
    _validates("pvc-unknown-class", CLAIMS, claim_checks.unknown_class),
    _validates("pvc-tiny-request", CLAIMS, claim_checks.tiny_request),
    _validates("pvc-selector-dynamic", CLAIMS, claim_checks.selector_without_volume),
    _validates("pvc-exceeds-capacity", CLAIMS, claim_checks.exceeds_capacity),
    _mutates("sc-ga-default-annotation", CLASSES, storage_class.default_annotation),
    _mutates("sc-ga-topology-keys", CLASSES, storage_class.topology_keys),
    _mutates("sc-csi-key-spelling", CLASSES, storage_class.parameter_keys),
    _mutates("sc-parameter-whitespace", CLASSES, storage_class.parameter_values),
    _mutates("sc-mount-options", CLASSES, storage_class.mount_options),
    _validates("sc-csi-secret-pair", CLASSES, storage_class.secret_pairs),
    _validates("sc-csi-fstype-twice", CLASSES, storage_class.file_system_types),
    _validates("sc-csi-unknown-key", CLASSES, storage_class.unknown_keys),
    _validates("sc-multiple-defaults", CLASSES, storage_class.multiple_defaults, WRITE),
    _validates("sc-unknown-topology-key", CLASSES, storage_class.unknown_topology_keys, WRITE),
    _validates("sc-no-provisioner-immediate", CLASSES, storage_class.immediate_local),
    _validates("sc-delete-in-use", CLASSES, storage_class.delete_in_use, DELETE),
)


class UnknownRuleError(ValueError):
    """No rule has that name; the message lists what was perhaps meant."""


def select(enable: Iterable[str] = (), disable: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The rules to run: those on by default and those of `enable`, without those of `disable`.

    Raises:
        UnknownRuleError: a name that no rule has.
    """
    enabled, disabled = _known(enable), _known(disable)
    return tuple(rule for rule in RULES if (rule.default or rule.name in enabled) and rule.name not in disabled)


def _known(wanted: Iterable[str]) -> frozenset[str]:
    known, wanted = {rule.name for rule in RULES}, frozenset(wanted)
    for name in sorted(wanted - known):
        similar = get_close_matches(name, sorted(known), n=3)
        hint = f"did you mean {' or '.join(similar)}?" if similar else "the documentation lists them"
        raise UnknownRuleError(f"no admission rule is called {name!r}; {hint}")
    return wanted
