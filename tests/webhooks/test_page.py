"""docs/admission.md says what the table of rules says."""

from pathlib import Path

from webhooks.page import about, page
from webhooks.rules import RULES

FILE = Path(__file__).parents[2] / "docs" / "admission.md"


def test_the_page_is_generated_from_the_table() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), "python -m webhooks.page > docs/admission.md"


def test_every_rule_says_what_it_does() -> None:
    assert all(len(about(rule)) > 10 for rule in RULES)
    assert all(f"| `{rule.name}` |" in page() for rule in RULES)
