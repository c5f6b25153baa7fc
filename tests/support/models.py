"""Models for tests: one that follows a script of gates and failures, and builders for work and results."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from earful.models.loading import LoadedModel
from earful.models.types import Outcome, TranscriptResult, Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def make_work(pcm: bytes = b"\x01\x00", *, end: bool = False, lane: int = 0) -> Work:
    """One piece of work; what it covers does not matter to the engine."""
    return Work(lane=lane, pcm=pcm, end=end, index=0, end_ms=0, sequence=0)


def fragment(text: str) -> TranscriptResult:
    """What `transcribe_chunk` answers."""
    return TranscriptResult(text, is_final=False)


def final(text: str) -> TranscriptResult:
    """What `finalize` answers."""
    return TranscriptResult(text, is_final=True)


class Desk:
    """Collects what is delivered, in order."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.works: list[Work] = []

    def deliver(self, work: Work, outcome: Outcome) -> None:
        """Take one outcome."""
        self.works.append(work)
        self.outcomes.append(outcome)


def loaded(model_class: type[Any], **options: object) -> LoadedModel:
    """Make a class ready for the engine, unchecked."""
    return LoadedModel(model_class.__name__, model_class, options)


def scripted(*steps: Callable[[], Awaitable[object]], **attributes: object) -> type[Any]:
    """Make a model class whose calls, over all its objects, run `steps` in turn and then answer plainly.

    The class counts: `made` objects, `log` of (object number, what was called).
    """
    pending = list(steps)

    class Scripted:
        log: list[tuple[int, str]] = []  # noqa: RUF012 - one per class, and each test makes its own
        made = 0

        def __init__(self) -> None:
            self.number = type(self).made
            type(self).made += 1

        async def transcribe_chunk(self, audio: bytes) -> object:
            return await self._next(f"chunk {len(audio)}", fragment("a"))

        async def finalize(self) -> object:
            return await self._next("finalize", final("a."))

        async def close(self) -> None:
            self.log.append((self.number, "close"))

        async def _next(self, what: str, otherwise: TranscriptResult) -> object:
            self.log.append((self.number, what))
            return await pending.pop(0)() if pending else otherwise

    for name, value in attributes.items():
        setattr(Scripted, name, value)
    return Scripted


def fails(error: BaseException) -> Callable[[], Awaitable[object]]:
    """Step: raise `error`."""

    async def step() -> object:
        raise error

    return step


def answers(answer: object) -> Callable[[], Awaitable[object]]:
    """Step: answer this."""

    async def step() -> object:
        return answer

    return step


def sleeps(seconds: float) -> Callable[[], Awaitable[object]]:
    """Step: take so long, then answer."""

    async def step() -> object:
        await asyncio.sleep(seconds)
        return fragment("late")

    return step


def ignores_cancel(seconds: float, error: BaseException | None = None) -> Callable[[], Awaitable[object]]:
    """Step: take so long whoever cancels it, then answer or raise `error`."""

    async def step() -> object:
        end = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(seconds, end.set_result, None)
        while not end.done():
            try:
                await asyncio.shield(end)
            except asyncio.CancelledError:
                continue
        if error is not None:
            raise error
        return fragment("stubborn")

    return step
