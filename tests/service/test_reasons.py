"""Reasons: each end that there can be has its sentence."""

from __future__ import annotations

import pytest

from earful.errors import ERRORS, ErrorCode
from earful.service.reasons import FAULTLESS, FAULTS, is_fault, sentence_of
from earful.session.claim import REFUSALS
from earful.session.endings import ENDINGS, FATALITIES
from earful.transport.answers import FAULT_REASONS

POSSIBLE = {
    *(close.reason for _, _, close in ENDINGS.values()),
    *(code.value for code in FATALITIES.values()),
    *(code.value for code in REFUSALS.values()),
    *FAULT_REASONS.values(),
    "peer_closed",
    "connection_lost",
    "ping_timeout",
    "too_many_mistakes",
}


@pytest.mark.parametrize("reason", sorted(POSSIBLE))
def test_an_end_has_a_sentence_of_its_own(reason: str) -> None:
    """Which says more than what a client is told."""
    assert reason in FAULTLESS.keys() | FAULTS.keys()
    assert sentence_of(reason).endswith(".")


def test_no_reason_is_both() -> None:
    """Faults count as failed, and what is not known too."""
    assert set() == FAULTLESS.keys() & FAULTS.keys()
    assert (False, True, True) == (is_fault("stop"), is_fault("idle_timeout"), is_fault("never heard of"))


def test_what_has_no_sentence_is_said_as_it_is() -> None:
    """An error's public text, or the reason itself."""
    assert ERRORS[ErrorCode.FORBIDDEN].text == sentence_of("forbidden")
    assert "never heard of" == sentence_of("never heard of")
