"""Which controllers run."""

import pytest

from controllers import NAMES, select
from controllers.service import cached
from controllers.table import ROWS

BINDER = "persistentvolume-binder-controller"


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("*", NAMES),
        ("", ()),
        (BINDER, (BINDER,)),
        (f" plugin-provisioner , {BINDER}", (BINDER, "plugin-provisioner")),
        (f"*,-{BINDER}", NAMES[1:]),
        (f"-{BINDER},*", NAMES[1:]),
        (f"-{BINDER}", ()),
        (f"{BINDER},-{BINDER}", (BINDER,)),
    ],
)
def test_as_kube_controller_manager_reads_it(expression, selected):
    assert select(expression) == selected


@pytest.mark.parametrize("expression", ["binder", "*,-binder", "-*"])
def test_what_is_unknown_is_refused_with_what_there_is(expression):
    with pytest.raises(ValueError, match=BINDER):
        select(expression)


def test_every_name_has_a_controller():
    assert tuple(ROWS) == NAMES


def test_caches_are_named_once():
    assert len(cached(NAMES)) == len(set(cached(NAMES)))
    assert {each.plural for each in cached((BINDER,))} == {
        "persistentvolumeclaims",
        "persistentvolumes",
        "storageclasses",
        "pods",
    }
