"""Autobahn's cases, sections 1 to 7 and 10, against an echo on each transport: kosoku plays the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from kosoku import FailureError, run_fuzzingclient
from tests.support.echo import echoing

from earful.transport.upgrade import PATH

if TYPE_CHECKING:
    from kosoku._kosoku import CaseResult
    from tests.support.server import Address

pytestmark = pytest.mark.e2e

SECTIONS = [f"{number}.*" for number in (1, 2, 3, 4, 5, 6, 7, 10)]
CASES = 247
AT_ONCE = 4

UNSPECIFIED = dict.fromkeys(["7.1.6", "7.13.1", "7.13.2"], ("INFORMATIONAL", "INFORMATIONAL"))
"""Cases without a right answer."""

LATE_UTF8 = dict.fromkeys(["6.4.3", "6.4.4"], ("NON-STRICT", "OK"))
"""Text is looked at once its frame is whole; that may be later than its first bad byte."""

EXCEPTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "fast": UNSPECIFIED | LATE_UTF8,
    "asgi": UNSPECIFIED
    | LATE_UTF8
    # The `websockets` library, below uvicorn: looks at a text only when all its fragments are there ...
    | dict.fromkeys(["6.4.1", "6.4.2"], ("NON-STRICT", "OK"))
    # ... and takes a close frame inside a fragmented message for a broken one.
    | {"7.1.5": ("FAILED", "WRONG CODE")},
}
"""What is anything but OK, by transport: behaviour and closing. Exact: a case that passes now must leave the list."""

RACES: dict[str, set[str]] = {
    "fast": set(),
    "asgi": {"3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15"},
}
"""Where a broken frame may be answered before the messages ahead of it have been through the application."""


async def play(address: Address) -> list[CaseResult]:
    """Every case, whether it passes or not."""
    try:
        return await run_fuzzingclient(f"{address.host}:{address.port}{PATH}", SECTIONS, concurrency=AT_ONCE)
    except FailureError as failure:
        return failure.results


def test_all_cases_but_the_listed_ones_are_answered_as_they_should_be(transport: str) -> None:
    """Both ways: nothing else goes wrong, and nothing listed goes right."""
    with echoing(transport) as address:
        results = asyncio.run(play(address))
    verdicts = {result.case_id: (result.behavior.value, result.behavior_close.value) for result in results}
    assert CASES == len(verdicts)
    raced = {case for case in RACES[transport] if verdicts[case] == ("NON-STRICT", "OK")}
    odd = {case: verdict for case, verdict in verdicts.items() if verdict != ("OK", "OK") and case not in raced}
    assert EXCEPTIONS[transport] == odd
