"""An order's body: small, and not looked at before it is known who gives it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.requests import Request
from tests.support.clock import run_virtual
from tests.support.house import ask, fault

from earful.errors import EarfulError
from earful.transport.order import MOST_BYTES, WITHIN_S, ordered
from earful.transport.schemas import LogLevel

if TYPE_CHECKING:
    from starlette.types import Message

FULL = b'{"level":"debug"}'


class Body:
    """A body in pieces; what comes after the last of them is `rest`, or nothing ever."""

    def __init__(self, *pieces: bytes, rest: Message | None = None) -> None:
        self.left = list(pieces)
        self._rest = rest

    async def __call__(self) -> Message:
        """The next piece."""
        if self.left:
            return {"type": "http.request", "body": self.left.pop(0), "more_body": True}
        if self._rest is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")
        return self._rest


END: Message = {"type": "http.request", "body": b"", "more_body": False}


def said(body: Body, length: str = "") -> tuple[str, str]:
    """What is made of it: the level; or the code of the error, and its sentence."""
    headers = [(b"content-length", length.encode())] if length else []
    request = Request({"type": "http", "headers": headers}, body)
    answers: list[tuple[str, str]] = []

    async def main() -> None:
        try:
            answers.append(((await ordered(request, LogLevel)).level, ""))
        except EarfulError as refused:
            answers.append((refused.code.value, refused.text))

    run_virtual(main())
    return answers[0]


def test_an_order_is_read_whatever_its_pieces() -> None:
    """Up to the most bytes it may have."""
    assert ("debug", "") == said(Body(*(bytes([byte]) for byte in FULL), rest=END))
    assert ("debug", "") == said(Body(FULL.ljust(MOST_BYTES), rest=END), str(MOST_BYTES))


@pytest.mark.parametrize("length", ["", str(MOST_BYTES + 1), "many"])
def test_a_long_one_is_refused_before_more_is_read(length: str) -> None:
    """By its length where that is told, else by the piece that is too much."""
    body = Body(*[b" " * MOST_BYTES] * 3)
    assert ("too_large", f"An order may have at most {MOST_BYTES} bytes.") == said(body, length)
    assert (3 if length.isdecimal() else 1) == len(body.left)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "body: Invalid JSON: EOF while parsing a value at line 1 column 0."),
        (b"\xff", "body: Invalid JSON: expected value at line 1 column 1."),
        (b"[]", "body: Input should be an object."),
        (b"{}", "body.level: Field required."),
        (b'{"level":"debug","x":1}', "body.x: Extra inputs are not permitted."),
    ],
)
def test_what_is_no_order_is_told_so(content: bytes, why: str) -> None:
    """With the place in it that is wrong."""
    assert ("bad_request", why) == said(Body(content, rest=END))


def test_nobody_waits_long_for_an_order() -> None:
    """Whether it breaks off or never goes on."""
    assert ("bad_request", "The connection ended before the body did.") == said(
        Body(FULL, rest={"type": "http.disconnect"})
    )
    assert ("bad_request", "The body did not come in time.") == said(Body(FULL))
    assert 10 == WITHIN_S


@pytest.mark.parametrize("body", [b"no JSON", b" " * (MOST_BYTES + 1), FULL])
def test_who_may_give_no_orders_is_told_that_whatever_it_sends(body: bytes) -> None:
    """Its body is not even looked at."""
    assert (403, "forbidden") == fault(ask("PUT", "/v1/log-level", body=body, headers={"origin": "https://a.net"}))[:2]


def test_a_long_order_of_somebody_who_may_is_too_large() -> None:
    """Over HTTP."""
    assert (413, "too_large") == fault(ask("PUT", "/v1/log-level", body=b" " * (MOST_BYTES + 1)))[:2]
