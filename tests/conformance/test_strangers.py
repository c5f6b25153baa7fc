"""Who has upgraded and not said yet who it is, over both transports: how little it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.access.keys import ACME, key_file
from tests.support.inside import Inside, inside
from tests.support.raw import CONTINUATION, PING, PONG, TEXT, connected, frame

from earful.transport.upgrade import PATH
from earful.transport.vestibule import MOST_BEHIND, MOST_SIGNS, SAY_WHO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

PARTS = frame(TEXT, b"", first=0) + frame(CONTINUATION, b"", first=0) * MOST_SIGNS


@pytest.fixture
def server(transport: str, tmp_path: Path) -> Iterator[Inside]:
    """One that asks; nothing of anybody is left at its end."""
    options = {"file": str(key_file(tmp_path))}
    with inside(transport=transport, mock_latency_ms=1, auth="static", auth_options=options) as here:
        tasks = here.tasks
        yield here
        here.await_empty(tasks)


def test_it_may_ping(server: Inside) -> None:
    """Some clients do so at once; then it says who it is."""
    with connected(server.address, PATH) as raw:
        raw.send_bytes(frame(PING, b"") * MOST_SIGNS)
        raw.say("start", token=ACME)
        assert "started" == raw.hear()["type"]


@pytest.mark.parametrize(
    "too_many",
    [
        frame(PING, b"") * (MOST_SIGNS + 1),
        frame(PONG, b"") * (MOST_SIGNS + 1),
        PARTS + frame(CONTINUATION, b"", first=0),
    ],
    ids=["pings", "pongs", "parts"],
)
def test_it_is_sent_away_that_only_pings(too_many: bytes, server: Inside) -> None:
    """Long before its time is over; pongs, and parts of a message without end, are no better."""
    with connected(server.address, PATH) as raw:
        raw.send_bytes(too_many)
        heard, end = raw.hear_all()
    assert ([("unauthorized", SAY_WHO)], 4001) == ([(one["code"], one["message"]) for one in heard], end.code)
    assert {"unauthorized": 1} == server.service.registry.metrics.refusals


def test_a_flood_ends_with_the_connection(server: Inside) -> None:
    """It is told once, whatever comes behind."""
    with connected(server.address, PATH) as raw:
        raw.send_bytes(frame(PING, b"x") * (MOST_BEHIND // 2))
        heard, end = raw.hear_all()
    assert (1, 4001) == (len(heard), end.code)
