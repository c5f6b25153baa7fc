"""The table of protocol section 6: what each close code and each refusal mean for a client."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import PROTOCOL, tables

from earful.client.losses import ADVICE, Advice, Loss, loss_by_close, loss_by_refusal, loss_by_trouble
from earful.errors import CloseCode
from earful.protocol.messages import Error

GIVE_UP, RESUME, ANEW = Advice.GIVE_UP, Advice.RESUME, Advice.START_ANEW


def test_every_code_has_its_advice() -> None:
    """None is left to chance."""
    assert set(CloseCode) == set(ADVICE)


def test_the_protocol_page_has_the_same_codes() -> None:
    """All but the one that is never sent."""
    rows = tables(PROTOCOL, "code", "name", "when", "what the client does")
    assert set(ADVICE) - {CloseCode.ABNORMAL} == {int(word) for row in rows for word in re.findall(r"\d{4}", row[0])}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (1000, GIVE_UP),
        (1001, RESUME),
        (1005, RESUME),
        (1006, RESUME),
        (1008, GIVE_UP),
        (1011, RESUME),
        (1012, ANEW),
        (1013, RESUME),
        (3000, RESUME),
        (4001, GIVE_UP),
        (4004, ANEW),
        (4008, ANEW),
        (4010, GIVE_UP),
        (4108, RESUME),
        (4201, Advice.RESUME_AT_ONCE),
        (4208, RESUME),
        (4999, GIVE_UP),
    ],
)
def test_a_close_decides(code: int, advice: Advice) -> None:
    """Codes that nobody knows yet: those of the WebSocket's own may be tried again, ours not."""
    assert advice is loss_by_close(code, "").advice


def test_a_close_is_told_with_its_reason() -> None:
    """One sentence, whether there is a reason or not."""
    assert "The server closed before the last final: code 1011 stalled." == loss_by_close(1011, "stalled").sentence
    assert "The server closed before the last final: code 1006." == loss_by_close(1006, "").sentence


def test_the_error_before_a_close_says_why() -> None:
    """In the server's words."""
    told = loss_by_close(4001, "unauthorized", Error("Bring a key.", "unauthorized", fatal=True)).sentence
    assert "The server closed with 4001 unauthorized: Bring a key." == told


@pytest.mark.parametrize(
    ("code", "error_code", "meant"),
    [(1006, "superseded", 4010), (1006, "not known", 1006), (4201, "superseded", 4201)],
)
def test_an_error_stands_for_a_close_that_never_came(code: int, error_code: str, meant: int) -> None:
    """Where it is one of the table."""
    assert meant == loss_by_close(code, "", Error("m", error_code, fatal=True)).code


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (None, 0.0),
        (Error("m", "stalled"), 0.0),
        (Error("m", "overloaded", retry_after_ms=1500), 1.5),
        (Error("m", "overloaded", retry_after_ms=-1500), 0.0),
    ],
)
def test_the_error_before_a_close_says_when(error: Error | None, wait_s: float) -> None:
    """In ms, where it does."""
    assert wait_s == loss_by_close(1013, "overloaded", error).retry_after_s


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, GIVE_UP),
        (403, GIVE_UP),
        (404, GIVE_UP),
        (408, RESUME),
        (426, GIVE_UP),
        (429, RESUME),
        (500, RESUME),
        (502, RESUME),
        (503, RESUME),
    ],
)
def test_a_refusal_decides(status: int, advice: Advice) -> None:
    """What is full, or away, may be there later."""
    assert (advice, status) == ((loss := loss_by_refusal(status, None, b"")).advice, loss.code)


@pytest.mark.parametrize(
    ("header", "wait_s"), [(None, 0.0), ("7", 7.0), (" 7 ", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("-1", 0.0)]
)
def test_a_refusal_says_when(header: str | None, wait_s: float) -> None:
    """In whole seconds, as ours say it."""
    assert wait_s == loss_by_refusal(503, header, b"").retry_after_s


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "Full."}}', "Full."),
        (b"[]", "HTTP 503."),
        (b"", "HTTP 503."),
        (b'{"error": ' * 100_000, "HTTP 503."),
        (b'{"error": {"message": "\xff"}}', "HTTP 503."),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(body: bytes, said: str) -> None:
    """Or by its status."""
    assert f"The server refuses the connection: {said}" == loss_by_refusal(503, None, body).sentence


def test_nobody_there_may_be_there_later() -> None:
    """A worker that is being replaced, for one."""
    assert Loss(RESUME, "Nobody.", is_unreachable=True) == loss_by_trouble("Nobody.", is_nobody=True)
    assert Loss(RESUME, "Broken.") == loss_by_trouble("Broken.")
