"""Which controllers a driver gives work."""

import pytest

from controllers.csi.able import able
from controllers.csi.names import chosen

ALL = ("CREATE_DELETE_VOLUME", "GET_CAPACITY")


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
