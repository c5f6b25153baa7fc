"""One session of a model, called as the engine calls it, plain or batch, and its answers judged.

Guarantees that every answer that comes back is one that could go out on the wire; BrokenError says what was not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from earful.engine.answers import BadAnswerError, check_answer, check_answers
from earful.models.types import SessionInfo, Step, TranscriptResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from earful.models.loading import LoadedModel

CALL_S = 30.0
"""Longest a call may take here: as long as `model_timeout_s` by default."""


class BrokenError(AssertionError):
    """A model does not keep a promise; the text says which answer of which call was wrong."""


class Hearing:
    """A session: audio in, checked answers out. `close` it."""

    def __init__(self, model: LoadedModel, session_id: str = "check", *, words: bool = False) -> None:
        """Take a place; a plain model's object is made at the first call."""
        self._model = model
        self._info = SessionInfo(session_id, words=words)
        self._memory: Any = None
        self._object: Any = None

    async def hear(self, audio: bytes) -> str:
        """What the model adds for `audio`."""
        return (await self._call(audio, end=False)).text

    async def end(self) -> TranscriptResult:
        """The whole utterance."""
        return await self._call(b"", end=True)

    async def utterance(self, chunks: Sequence[bytes]) -> str:
        """The final of one utterance in these chunks."""
        for chunk in chunks:
            await self.hear(chunk)
        return (await self.end()).text

    async def close(self) -> None:
        """Let the object go, in the middle of whatever it is."""
        close = getattr(self._object, "close", None)
        if close is not None:
            await _within(close(), "close")

    def step(self, audio: bytes, *, end: bool) -> Step:
        """This session's item of a batch model's next step; `keep` what became of it."""
        return Step(audio, end, self._info, self._memory)

    def keep(self, item: Step) -> None:
        """Remember what the model remembers."""
        self._memory = item.memory

    async def _call(self, audio: bytes, *, end: bool) -> TranscriptResult:
        if self._model.is_batch:
            item = self.step(audio, end=end)
            (answer,) = await step_of(self._model, [item])
            self.keep(item)
            return answer
        if self._object is None:
            self._object = await self._opened()
        call = self._object.finalize() if end else self._object.transcribe_chunk(audio)
        return checked(await _within(call, _name(end=end)), end=end)

    async def _opened(self) -> Any:
        made: Any = self._model.create()
        open_ = getattr(made, "open", None)
        if open_ is not None:
            await _within(open_(self._info), "open")
        return made


async def step_of(model: LoadedModel, items: Sequence[Step]) -> list[TranscriptResult]:
    """One step of a batch model, each answer checked."""
    answers = await _within(model.shared().step(tuple(items)), "step")
    try:
        found = check_answers(answers, len(items))
    except BadAnswerError as error:
        raise BrokenError(f"step: {error}") from error
    return [checked(answer, end=item.end) for answer, item in zip(found, items, strict=True)]


def checked(answer: object, *, end: bool) -> TranscriptResult:
    """Give `answer` back if it is what such a call answers; raise BrokenError otherwise."""
    if isinstance(answer, Exception):
        raise BrokenError(f"{_name(end=end)} failed with {type(answer).__name__}: {answer}")
    try:
        result = check_answer(answer)
    except BadAnswerError as error:
        raise BrokenError(f"{_name(end=end)}: {error}") from error
    if result.is_final is not end:
        raise BrokenError(f"{_name(end=end)} answered is_final {result.is_final}")
    return result


async def _within(call: Awaitable[Any], name: str) -> Any:
    try:
        async with asyncio.timeout(CALL_S):
            return await call
    except TimeoutError as error:
        raise BrokenError(f"{name} took longer than {CALL_S:.0f} s") from error
    except (Exception, SystemExit) as error:
        raise BrokenError(f"{name} raised {type(error).__name__}: {error}") from error


def _name(*, end: bool) -> str:
    return "the end" if end else "a chunk"
