"""Every scheduling case through the pure engine."""

import msgspec
import pytest

from extender.answer import answer
from extender.filters import evaluate
from extender.verdict import EvaluationError
from extender.wire import Candidates, filter_error, filter_result
from model.workloads import Pod
from tests.extender.cases import Case, load
from tests.extender.tables import Cluster


@pytest.mark.parametrize("case", load(), ids=lambda case: case.name)
def test_the_engine_answers_as_the_case_says(case: Case):
    cluster = Cluster(case.objects)
    nodes = cluster.snapshot.nodes
    pod = msgspec.convert(case.pod, Pod)
    asked = Candidates(case.nodes)
    try:
        verdicts = evaluate(pod, cluster.snapshot, nodes.mask_of(case.nodes))
    except EvaluationError as error:
        case.holds_for(filter_error(asked, str(error)))
        return
    found = answer(case.nodes, verdicts, nodes)
    case.holds_for(filter_result(asked, found.feasible, found.failed, found.unresolvable))
