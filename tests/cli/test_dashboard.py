"""A frame of `earful top`, as text."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from earful.cli.dashboard import MOST_WORKERS, Room, busyness, frame
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


def drawn(*looks: Seen, most_sessions: int = 20, width: int = 200, height: int | None = None) -> list[str]:
    """The frame's lines, without what they are filled up with."""
    console = Console(width=width)
    with console.capture() as captured:
        console.print(frame(looks, most_sessions, NOW_UNIX_S, Room(width, height)))
    return [line.rstrip() for line in captured.get().splitlines()]


def shown(*looks: Seen, most_sessions: int = 20) -> list[str]:
    """The same without what the columns are filled up with."""
    return [" ".join(line.split()) for line in drawn(*looks, most_sessions=most_sessions)]


def test_a_frame() -> None:
    """The service, its workers, its sessions."""
    workers = [
        Colleague("two", 1, 1, "1.2", "http://h:9001", NOW_UNIX_S - 187),
        Colleague("one", 0, 2, "1.2", "http://h:9000", NOW_UNIX_S - 42),
    ]
    one = seen(workers=workers, sessions=[session("a", attempt=2, worker="two", tenant="acme")])
    assert shown(one) == [
        "service status version store sessions req/s p50 p95 p99 errors load",
        "http://host:9000 ok 1.2 ok 3 1.2 51 ms 60 ms 300 ms 1.5% 0",
        "",
        "worker slot sessions up version operations",
        "one 0 2 42 s 1.2 http://h:9000",
        "two 1 1 3:07 1.2 http://h:9001",
        "",
        "session state age format speech waiting lag try worker tenant",
        "a ACTIVE 1:02:03 pcm_s16le 16k 9.3 s 0 ms 58 ms 2 two acme",
    ]


def test_what_is_not_told_is_a_dash() -> None:
    """By an older release, or one without a store; its limit is its own."""
    health = Health("starting", 0, "worker", WorkerSeat("one-with-a-long-id", 0, 0, 2000), "1.2")
    lines = shown(seen(health=health, sessions=[]))
    assert "http://host:9000 starting 1.2 - 0/2000 1.2 51 ms 60 ms 300 ms 1.5% 0" == lines[1]
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


ID = "yT0kq3vXh0m1m8hS5uO4Yw"
CREW = [Colleague(f"worker-{nth:02}", nth, 9, "0.1.0.dev0", f"http://127.0.0.1:{9000 + nth}") for nth in range(40)]


def crowd(**changes: Any) -> Seen:
    """An address with 40 sessions and two workers, as numbers come in practice."""
    sessions = [session(f"{ID[:-2]}{nth:02}", worker="50f14f83fd4f0000", buffered_ms=nth) for nth in range(40)]
    health = Health("degraded", 40, "service", WorkerSeat("one", 0, 20, 2000), "0.1.0.dev0", "away")
    numbers = Numbers(123.4, 0.015, Percentiles(51.0, 160.0, 1300.0))
    told: dict[str, Any] = {
        "url": "http://127.0.0.1:38025",
        "health": health,
        "numbers": numbers,
        "workers": CREW[:2],
        "sessions": sessions,
    }
    return seen(**{**told, **changes})


def test_a_terminal_of_80_columns_and_24_rows() -> None:
    """What is there is whole: ids that `earful why` takes, numbers with their units; what is not is said."""
    lines = drawn(crowd(), width=80, height=24)
    assert 24 == len(lines)
    assert "http://127.0.0.1:38025  degraded        40  51 ms  160 ms  1300 ms    1.5%     0" == lines[1]
    assert "session                 state       age  speech  waiting    lag  try" == lines[7]
    assert f"{ID[:-2]}39  ACTIVE  1:02:03   9.3 s    39 ms  58 ms    -" == lines[8]
    assert ["the 14 busiest of 40", "no room for version, store, req/s, tenant, format, worker"] == lines[-2:]
    assert 14 == sum(line.startswith(ID[:-2]) for line in lines)


def test_a_terminal_of_120_columns_and_40_rows() -> None:
    """Has room for every column."""
    lines = drawn(crowd(), width=120, height=40, most_sessions=40)
    assert (40, "the 31 busiest of 40") == (len(lines), lines[-1])
    assert ("worker", "tenant") == tuple(lines[7].split()[-2:])


@pytest.mark.parametrize("width", [10, 22, 30, 40, 60, 80, 100, 120, 160])
@pytest.mark.parametrize("height", [24, 30, 50])
def test_no_terminal_is_overflowed(width: int, height: int) -> None:
    """Nothing goes beyond an edge, however much there is to show."""
    looks = [crowd(workers=CREW), *(Seen("http://gone:1", "Nothing answers at http://gone:1.") for _ in range(30))]
    lines = drawn(*looks, width=width, height=height)
    assert height >= len(lines)
    assert width >= max(map(len, lines))


def test_rows_that_are_left_out_are_counted() -> None:
    """Of services and workers at most a quarter of the room each; without an edge only workers are bounded."""
    away = [Seen(f"http://gone:{nth}", "It is away.") for nth in range(20)]
    lines = drawn(crowd(workers=CREW), *away, width=120, height=60)
    assert "12 of 21 services, 12 of 40 workers, the 20 busiest of 40" == lines[-1]
    assert (60, 10) == (len(lines), lines.count("It is away."))
    assert f"{MOST_WORKERS} of 40 workers" == drawn(crowd(workers=CREW), most_sessions=40)[-1]


def test_a_long_address_leaves_room_for_numbers() -> None:
    """Its end is shown, where the port is."""
    line = drawn(crowd(url=f"https://{'x' * 80}.example:9001"), width=80)[1]
    assert line.startswith("\N{HORIZONTAL ELLIPSIS}xxx")
    assert ".example:9001  degraded        40" in line
