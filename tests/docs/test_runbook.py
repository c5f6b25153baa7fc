"""The runbook has a section for every error and close code, each with its four answers."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import ROOT

from earful.errors import CloseCode, ErrorCode

RUNBOOK = ROOT / "docs" / "runbook"
QUESTIONS = ["Clients see:", "It means:", "Look at:", "Do:"]


def sections(name: str) -> dict[str, str]:
    """Heading and text of each section of a page."""
    _, *rest = re.split(r"^## (.+)$", (RUNBOOK / name).read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(rest[::2], rest[1::2], strict=True))


def test_every_error_has_its_section() -> None:
    """In the order of the table."""
    assert [code.value for code in ErrorCode] == list(sections("errors.md"))


def test_every_close_code_has_its_section() -> None:
    """By number and name, in the order of numbers, 1006 before the others of RFC 6455 that are written out."""
    assert sorted(f"{code.value} {code.name}" for code in CloseCode) == sorted(sections("closes.md"))


@pytest.mark.parametrize("page", ["alerts.md", "errors.md", "closes.md"])
def test_every_section_has_its_answers(page: str) -> None:
    """What clients see, what it means, what to look at, what to do."""
    short = [
        name
        for name, text in sections(page).items()
        if re.findall(r"^\* \*\*(.+?)\*\*", text, re.MULTILINE) != QUESTIONS
    ]

    assert [] == short
