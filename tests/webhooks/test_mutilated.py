"""No object, however mutilated, makes a rule raise. Many more: `python -m tests.webhooks.mutilation 100000`."""

from random import SystemRandom

import pytest

from tests.webhooks.mutilation import judge


@pytest.mark.parametrize("seed", [1, 2, SystemRandom().randrange(2**32)], ids=["one", "two", "another"])
def test_no_rule_raises_whatever_the_object(seed: int) -> None:
    readable, patched = judge(seed, 700)
    assert readable > 200
    assert patched > 10
