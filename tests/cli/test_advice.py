"""Advice: every reason for which a session can end has one."""

from __future__ import annotations

from earful.cli.advice import ADVICE, UNKNOWN, advice_for
from earful.service.registry import _FAULTLESS
from earful.session.claim import REFUSALS
from earful.session.endings import ENDINGS, FATALITIES
from earful.transport.answers import FAULT_REASONS


def test_every_end_has_its_advice() -> None:
    """Those of the session, of its claims, of the transports, and those that are no fault."""
    reasons = {close.reason for _, _, close in ENDINGS.values()} | {code.value for code in FATALITIES.values()}
    reasons |= {code.value for code in REFUSALS.values()} | set(FAULT_REASONS.values()) | _FAULTLESS
    assert set() == reasons - ADVICE.keys()


def test_advice_is_sentences() -> None:
    """That end as such, also for what another release may call a reason."""
    assert all(text.endswith(".") for text in ADVICE.values())
    assert UNKNOWN == advice_for("something new")
