"""The pages of the documentation that are made from code say what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from relay import providers
from relay.domain import drawing, explanations
from relay.domain.errors import ErrorCode
from relay.telemetry import metrics

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("states.md", drawing.as_markdown),
        ("errors.md", explanations.as_markdown),
        ("operations.md", providers.operations_page),
        ("metrics.md", metrics.as_markdown),
    ],
)
def test_a_generated_page_is_up_to_date(page: str, made: Callable[[], str]) -> None:
    """The page says at its top how to make it again."""
    assert (DOCS / page).read_text() == made()


def test_every_error_code_is_explained() -> None:
    """Each code has its cause and its cure."""
    assert set(explanations.EXPLANATIONS) == set(ErrorCode)
