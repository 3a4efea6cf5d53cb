"""Objects that break one rule each, and objects that keep all of them: what both servers have to say is recorded."""

from tests.contract.cases.case import Case, changed
from tests.contract.cases.existing import CHANGED
from tests.contract.cases.good import GOOD
from tests.contract.cases.others import OTHERS
from tests.contract.cases.pods import PODS
from tests.contract.cases.storage import STORAGE

__all__ = ["CHANGED", "GOOD", "NEW", "Case", "changed"]

NEW = [*STORAGE, *PODS, *OTHERS]
