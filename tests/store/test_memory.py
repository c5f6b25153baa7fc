"""The hub in memory: nothing stays for ever. What a directory promises is in the contract suite."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.store.rig import EXPIRES_S, claim, entry, report

from earful.store.memory import Hub, MemoryDirectory
from earful.store.values import Draw, Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


class Clock:
    """Seconds that pass when told."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def do(*steps: Coroutine[Any, Any, Any]) -> list[Any]:
    """What the steps give, one after another."""

    async def main() -> list[Any]:
        return [await step for step in steps]

    return asyncio.run(main())


def test_notes_go_when_their_time_is_over() -> None:
    """All of them, also those that were noted again or ended, and nothing is kept to remember them by."""
    clock = Clock()
    hub = Hub(clock)
    one = MemoryDirectory(hub, "one")
    for nth in range(20):
        clock.now_s = float(nth)
        do(
            one.claim(claim(f"s{nth}", expires_s=10 + nth % 7)),
            one.exchange(report(entry(f"s{nth // 2}"))),
            one.end(f"s{nth - 3}", None, 50),
            one.end_own(claim(f"own {nth // 2}", expires_s=50)),
        )
    assert 30 == len(hub._notes) == len(hub._expiries)
    clock.now_s += EXPIRES_S
    do(one.overview())
    assert ({}, []) == (hub._notes, hub._expiries)
    assert {} == hub.desks


def test_buckets_go_when_they_are_full() -> None:
    """As soon as anybody draws."""
    clock = Clock()
    hub = Hub(clock)
    one = MemoryDirectory(hub, "one")
    assert [[0.0, -3.0]] == do(one.draw([Draw("acme", 0.5, 1), Draw("globex", 0.5, 4)]))
    clock.now_s = 2.0
    assert ([[0.0]], {"globex", "third"}) == (do(one.draw([Draw("third", 1.0, 1)])), set(hub.buckets))
    clock.now_s = 8.0
    assert ([[]], {}) == (do(one.draw([])), hub.buckets)


def test_who_left_gets_no_notices() -> None:
    """They would wait for ever."""
    hub = Hub()
    one, other = MemoryDirectory(hub, "one"), MemoryDirectory(hub, "other")
    assert [Verdict.GRANTED, None, Verdict.GRANTED] == do(
        one.claim(claim("s")), one.close(), other.claim(claim("s", 1))
    )
    assert {"other"} == hub.inboxes.keys()


def test_memory_is_always_there() -> None:
    """And there is nothing to open."""
    one = MemoryDirectory(Hub(), "one")
    do(one.open())
    assert one.available
