"""What every answer shares: the error's one form, and ids that are fit to be echoed."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from earful.errors import ERRORS, EarfulError, ErrorCode
from earful.transport.answers import refusal, request_id_of, retry_after_s

SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


@pytest.mark.parametrize("given_id", ["a", "7f3a-9c1e", "Root=1-67891233-abcdef", "user@host:1/2+3._", "x" * 128])
def test_a_sane_id_is_kept(given_id: str) -> None:
    """So that a request can be followed through several services."""
    assert given_id == request_id_of(given_id)


@pytest.mark.parametrize("given_id", ["", "a b", "x" * 129, 'a"b', "<script>", "a\tb", "\xe4", "a\n", None])
def test_any_other_is_replaced(given_id: str | None) -> None:
    """By sixteen hexadecimal digits, never the same twice."""
    made = {request_id_of(given_id) for _ in range(2)}
    assert 2 == len(made)
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in made)


@given(st.text())
@example("a\r\nset-cookie: x")
def test_an_id_can_always_be_echoed(given_id: str) -> None:
    """Whatever came, what goes out is sane, and it is the same where it already was."""
    used = request_id_of(given_id)
    assert SANE.fullmatch(used)
    assert (used == given_id) == (SANE.fullmatch(given_id) is not None)


@pytest.mark.parametrize("code", ErrorCode)
def test_each_error_has_one_form(code: ErrorCode) -> None:
    """Status by the table; code, public sentence and the request's id in the body, the id in the header too."""
    answer = refusal(EarfulError(code), request_id="r")
    assert ERRORS[code].http_status == answer.status_code
    assert {"error": {"code": code, "message": ERRORS[code].text, "request_id": "r"}} == json.loads(bytes(answer.body))
    assert "r" == answer.headers["x-request-id"]
    assert "retry-after" not in answer.headers


def test_a_sentence_of_its_own_and_a_time_to_wait() -> None:
    """Where the error says more than its row."""
    answer = refusal(EarfulError(ErrorCode.DRAINING, "Not now."), request_id="r", retry_after_s=3)
    assert ("3", "Not now.") == (answer.headers["retry-after"], json.loads(bytes(answer.body))["error"]["message"])


def test_refused_clients_do_not_all_come_back_at_once() -> None:
    """They are told one of a few seconds."""
    assert {1, 2, 3, 4, 5} == {retry_after_s() for _ in range(1000)}
