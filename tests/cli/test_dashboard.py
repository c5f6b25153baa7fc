"""A frame of `earful top`, as text."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from earful.cli.dashboard import busyness, frame
from earful.cli.fleet import Colleague, Health, Numbers, Percentiles, Seen, Session, WorkerSeat

NOW_UNIX_S = 1_764_023_000.0


def seen(**changes: Any) -> Seen:
    """An address that answers."""
    health = Health("ok", 3, "service", WorkerSeat("one-with-a-long-id", 0, 2, 2000), "1.2", "ok")
    told: dict[str, Any] = {
        "url": "http://host:9000",
        "health": health,
        "numbers": Numbers(1.25, 0.015, Percentiles(51.0, 60.0, 300.0)),
        "sessions": [session("a")],
    }
    return Seen(**{**told, **changes})


def session(name: str, **changes: Any) -> Session:
    """A session with nothing to say of it."""
    told: dict[str, Any] = {
        "session_id": name,
        "state": "ACTIVE",
        "duration_s": 3723.4,
        "encoding": "pcm_s16le",
        "sample_rate": 16_000,
        "speech_ms": 9320,
        "lag_ms": 58,
    }
    return Session(**{**told, **changes})


def shown(*looks: Seen, most_sessions: int = 20) -> list[str]:
    """The frame's lines, without what the columns are filled up with."""
    console = Console(width=200)
    with console.capture() as captured:
        console.print(frame(looks, most_sessions, NOW_UNIX_S))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def test_a_frame() -> None:
    """The service, its workers, its sessions."""
    workers = [
        Colleague("two", 1, 1, "1.2", "http://h:9001", NOW_UNIX_S - 187),
        Colleague("one", 0, 2, "1.2", "http://h:9000", NOW_UNIX_S - 42),
    ]
    one = seen(workers=workers, sessions=[session("a", attempt=2, worker="two", tenant="acme")])
    assert shown(one) == [
        "service status version store sessions req/s p50 p95 p99 errors load",
        "http://host:9000 ok 1.2 ok 3 1.2 51 ms 60 ms 300 ms 1.5% level 0",
        "",
        "worker slot sessions up version operations",
        "one 0 2 42 s 1.2 http://h:9000",
        "two 1 1 3:07 1.2 http://h:9001",
        "",
        "session state age format speech waiting lag try worker tenant",
        "a ACTIVE 1:02:03 pcm_s16le 16k 9.3 s 0 ms 58 ms 2 two acme",
        "",
    ]


def test_what_is_not_told_is_a_dash() -> None:
    """By an older release, or one without a store; its limit is its own."""
    health = Health("starting", 0, "worker", WorkerSeat("one-with-a-long-id", 0, 0, 2000), "1.2")
    lines = shown(seen(health=health, sessions=[]))
    assert "http://host:9000 starting 1.2 - 0/2000 1.2 51 ms 60 ms 300 ms 1.5% level 0" == lines[1]
    assert "one-with-a-l 0 0 - 1.2 -" == lines[4]


def test_one_that_is_away_is_shown_with_the_reason() -> None:
    """The others go on; no credential is shown."""
    lines = shown(Seen("http://u:secret@gone:1", "Nothing answers at http://gone:1."), seen())
    assert "http://***@gone:1 away - - - - - - - - -" == lines[1]
    assert "Nothing answers at http://gone:1." in lines
    assert any(line.startswith("a ACTIVE") for line in lines)


def test_the_busiest_come_first_and_no_more_than_wanted() -> None:
    """Each once, though two workers list it; how many were looked at is said."""
    many = [session(f"s{nth}", buffered_ms=nth) for nth in range(9)]
    lines = shown(seen(sessions=many, has_more=True), seen(sessions=many), most_sessions=2)
    assert ["s8", "s7"] == [line.split()[0] for line in lines if " ACTIVE " in line]
    assert "the 2 busiest of the first 9" == lines[-1]
    assert "the 2 busiest of 9" == shown(seen(sessions=many), most_sessions=2)[-1]


@pytest.mark.parametrize("changes", [{"buffered_ms": 1}, {"unsent_bytes": 1}, {"lag_ms": 99}, {"speech_ms": 99_999}])
def test_what_is_busy(changes: dict[str, int]) -> None:
    """Any of these."""
    assert busyness(session("a", **changes)) > busyness(session("a"))


def test_nothing_disturbs_the_terminal() -> None:
    """Whatever a service calls itself."""
    line = next(line for line in shown(seen(sessions=[session("\x1b[2J\n[red]x")])) if "ACTIVE" in line)
    assert line.startswith("\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}[red]x ACTIVE")
