"""Advice: every reason for which a session can end has one."""

from __future__ import annotations

from earful.cli.advice import ADVICE, UNKNOWN, UPLOADS, advice_for, advice_for_upload
from earful.errors import ErrorCode
from earful.service.reasons import FAULTLESS, FAULTS, sentence_of
from earful.session.claim import REFUSALS
from earful.session.endings import ENDINGS, FATALITIES
from earful.transport.answers import FAULT_REASONS


def test_every_end_has_its_advice() -> None:
    """Those of the session, of its claims, of the transports, and all that the log has a sentence for."""
    reasons = {close.reason for _, _, close in ENDINGS.values()} | {code.value for code in FATALITIES.values()}
    reasons |= {code.value for code in REFUSALS.values()} | set(FAULT_REASONS.values())
    assert set() == (reasons | FAULTLESS.keys() | FAULTS.keys()) - ADVICE.keys()


def test_advice_is_for_reasons_that_there_are() -> None:
    """Each has a sentence that says why."""
    assert [] == [reason for reason in ADVICE if sentence_of(reason) == reason]


def test_advice_is_sentences() -> None:
    """That end as such, also for what another release may call a reason."""
    assert all(text.endswith(".") for text in (*ADVICE.values(), *UPLOADS.values()))
    assert UNKNOWN == advice_for("something new") == advice_for_upload("something new")


def test_uploads_have_their_own() -> None:
    """By codes that there are; none for one that went well."""
    assert set() == UPLOADS.keys() - set(ErrorCode)
    assert ("Nothing needs doing.", UPLOADS["not_audio"]) == (advice_for_upload(None), advice_for_upload("not_audio"))
