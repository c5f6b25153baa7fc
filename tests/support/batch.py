"""A workbench for batches: a scripted batch model, virtual time, and everything that came out of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.support.bench import AtWork
from tests.support.clock import run_virtual, virtual_now
from tests.support.models import loaded, make_work

from earful.engine.engine import Engine
from earful.models.types import SessionInfo, Step, TranscriptResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from earful.engine.seat import Seat

TIMEOUT_S = 30.0


def echo(item: Step) -> TranscriptResult:
    """What its audio was long, or, at the end, all of them; remembered in the item's memory."""
    item.memory = [*(item.memory or []), len(item.audio)]
    if not item.end:
        return TranscriptResult(str(len(item.audio)), is_final=False)
    heard, item.memory = item.memory, None
    return TranscriptResult("+".join(map(str, heard)), is_final=True)


def batching(*scripts: Callable[[Sequence[Step]], Awaitable[object]], **attributes: object) -> type[Any]:
    """Make a batch model whose steps run `scripts` in turn and then echo; `log` has each step's audio lengths."""
    pending = list(scripts)

    class Batching:
        log: list[list[int]] = []  # noqa: RUF012 - one per class, and each test makes its own

        async def step(self, batch: Sequence[Step]) -> object:
            self.log.append([len(item.audio) for item in batch])
            return await pending.pop(0)(batch) if pending else [echo(item) for item in batch]

    for name, value in attributes.items():
        setattr(Batching, name, value)
    return Batching


def after(seconds: float) -> Callable[[Sequence[Step]], Awaitable[object]]:
    """Step: take so long, then echo."""

    async def step(batch: Sequence[Step]) -> object:
        await asyncio.sleep(seconds)
        return [echo(item) for item in batch]

    return step


def raises(error: BaseException) -> Callable[[Sequence[Step]], Awaitable[object]]:
    """Step: raise `error`."""

    async def step(_: Sequence[Step]) -> object:
        raise error

    return step


def says(*answers: object) -> Callable[[Sequence[Step]], Awaitable[object]]:
    """Step: answer these; a single one as it is."""

    async def step(_: Sequence[Step]) -> object:
        return answers[0] if len(answers) == 1 else answers

    return step


class Table(AtWork):
    """An engine with a batch model, and a seat for each size of work."""

    def __init__(self, engine: Engine, told: list[Any], batches: list[tuple[int, float, float]]) -> None:
        super().__init__(engine, told)
        self.batches = batches
        self.seats: dict[int, Seat] = {}
        self.log: list[list[int]] = []

    def submit(self, *sizes: int, end: bool = False, lane: int = 0) -> None:
        """Hand in work of so many samples each, from a session of the same number."""
        for size in sizes:
            if size not in self.seats:
                self.seats[size] = self.engine.seat(SessionInfo(str(size)))
            self.seats[size].submit(make_work(bytes(2 * size), end=end, lane=lane), self.desk.deliver)


def at_table(
    scenario: Callable[[Table], Awaitable[None]],
    *scripts: Callable[[Sequence[Step]], Awaitable[object]],
    **attributes: object,
) -> Table:
    """Run `scenario` with a scripted batch model, close the engine, and see that nothing is left."""
    told: list[Any] = []
    batches: list[tuple[int, float, float]] = []
    model_class = batching(*scripts, **attributes)

    async def main() -> Table:
        engine = Engine(
            loaded(model_class),
            timeout_s=TIMEOUT_S,
            clock=virtual_now,
            on_call=lambda seconds, failure: told.append((seconds, failure)),
            on_error=lambda info, error: told.append((info.session_id, repr(error))),
            on_batch=lambda *figures: batches.append(figures),
        )
        await engine.load()
        table = Table(engine, told, batches)
        table.log = model_class.log
        await scenario(table)
        await engine.close()
        assert (0, 0, 0) == (engine.in_flight, engine.waiting, engine.orphans)
        return table

    return run_virtual(main())
