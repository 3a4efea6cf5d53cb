"""Every scheduling case through the pure engine."""

import pytest

from tests.extender.cases import Case, load
from tests.extender.oracle import filtered
from tests.extender.tables import Cluster


@pytest.mark.parametrize("case", load(), ids=lambda case: case.name)
def test_the_engine_answers_as_the_case_says(case: Case):
    case.holds_for(filtered(Cluster(case.objects).snapshot, case.pod, case.nodes))
