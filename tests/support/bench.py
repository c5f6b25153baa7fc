"""A workbench for the engine: a scripted model, virtual time, and everything that came out of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.support.clock import run_virtual, settle, virtual_now
from tests.support.models import (
    Desk,
    loaded,
    make_work,
    scripted,
)

from earful.engine.engine import Engine
from earful.models.types import SessionInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from earful.engine.seat import Seat
    from earful.errors import ErrorCode

TIMEOUT_S = 30.0


class AtWork:
    """An engine in virtual time, what it delivered, and what it told its observers."""

    def __init__(self, engine: Engine, told: list[Any]) -> None:
        self.engine = engine
        self.told = told
        self.desk = Desk()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, swept every 250 ms."""
        for _ in range(int(seconds * 4)):
            await asyncio.sleep(0.25)
            self.engine.sweep(virtual_now())
        await settle()

    @property
    def said(self) -> list[tuple[str | None, ErrorCode | None]]:
        """Text and failure of each outcome, in order."""
        return [(outcome.result.text if outcome.result else None, outcome.failure) for outcome in self.desk.outcomes]


class Bench(AtWork):
    """One session's seat at an engine."""

    def __init__(self, engine: Engine, told: list[Any], model_class: Any) -> None:
        super().__init__(engine, told)
        self.model_class = model_class
        self.seat = engine.seat(SessionInfo("s"))

    async def submit(self, pcm: bytes = b"\x01\x00", *, end: bool = False, lane: int = 0) -> None:
        """Hand in one work and let happen what can."""
        self.seat.submit(make_work(pcm, end=end, lane=lane), self.desk.deliver)
        await settle()


def at_bench(
    scenario: Callable[[Bench], Awaitable[None]], *steps: Callable[[], Awaitable[object]], **attributes: object
) -> Bench:
    """Run `scenario` with a scripted model, close the engine, and see that nothing is left."""
    told: list[Any] = []
    model_class = scripted(*steps, **attributes)

    async def main() -> Bench:
        engine = Engine(
            loaded(model_class),
            timeout_s=TIMEOUT_S,
            clock=virtual_now,
            on_call=lambda seconds, failure: told.append((seconds, failure)),
            on_error=lambda info, error: told.append((info.session_id, repr(error))),
        )
        await engine.load()
        bench = Bench(engine, told, model_class)
        await scenario(bench)
        await engine.close()
        assert (0, 0, 0) == (engine.in_flight, engine.waiting, engine.orphans)
        return bench

    return run_virtual(main())


def crowd(bench: Bench, number: int) -> list[Seat]:
    """Seat as many sessions, each with one work handed in."""
    seats = [bench.engine.seat(SessionInfo(str(nth))) for nth in range(number)]
    for nth, seat in enumerate(seats):
        seat.submit(make_work(bytes(2 * nth + 2)), bench.desk.deliver)
    return seats
