"""Which controllers a driver gives work."""

import pytest

from controllers.csi.able import able
from controllers.csi.names import NAMES, SNAPSHOT_CONTROLLER, chosen

ALL = ("CREATE_DELETE_VOLUME", "GET_CAPACITY")


@pytest.mark.parametrize(
    ("expression", "controller", "registrar"),
    [
        ("*", False, False),
        ("*,snapshot-controller", True, False),
        ("node-driver-registrar", False, True),
        (" snapshot-controller , node-driver-registrar,*", True, True),
        ("*,-snapshot-controller,-node-driver-registrar", False, False),
    ],
)
def test_what_a_cluster_or_a_node_has_once_is_not_meant_by_all(
    expression: str, *, controller: bool, registrar: bool
) -> None:
    names, registers = chosen(expression)
    assert (SNAPSHOT_CONTROLLER in names, registers) == (controller, registrar)
    assert (set(names) | {SNAPSHOT_CONTROLLER} == set(NAMES)) is ("*" in expression)


@pytest.mark.parametrize(
    ("expression", "calls", "expected"),
    [
        ("csi-provisioner,csi-capacity", ALL, {"csi-provisioner", "csi-capacity"}),
        ("*", ALL, None),
        ("*", ALL[:1], {"csi-capacity"}),
        ("*", ALL[1:], {"csi-provisioner"}),
        ("*,-csi-provisioner", ALL[:1], {"csi-capacity", "csi-provisioner"}),
    ],
)
def test_what_the_driver_can_not_do_is_left_out(
    expression: str, calls: tuple[str, ...], expected: set[str] | None
) -> None:
    """The last column: those that run, or with `*` those that do not."""
    names, _ = chosen(expression)
    ran = set(able(names, expression, calls))
    assert ran == expected if "*" not in expression else not ran & (expected or set())


@pytest.mark.parametrize("expression", ["csi-provisioner", "csi-provisioner,csi-capacity", "*, csi-provisioner"])
def test_what_is_named_and_can_not_be_done_is_complained_of(expression: str) -> None:
    names, _ = chosen(expression)
    with pytest.raises(ValueError, match="csi-provisioner needs CREATE_DELETE_VOLUME"):
        able(names, expression, ALL[1:])


def test_a_driver_that_gives_no_work_is_complained_of() -> None:
    with pytest.raises(ValueError, match=r"no capability|leave it out"):
        able(("csi-provisioner",), "*", ())
