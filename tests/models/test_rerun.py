"""Models that hear an utterance whole: fragments where the runtime has time for them, the final always."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import run_virtual, settle

from earful.models.inference import Inference
from earful.models.rerun import RerunModel
from earful.models.types import SessionInfo, TranscriptResult

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = bytes(3200)


def counting(gate: threading.Event | None = None) -> type[RerunModel]:
    """A model that says a number for each 100 ms, once `gate` is open."""

    class Counting(RerunModel):
        inference = Inference()

        def recognise(self, audio: bytes) -> TranscriptResult:
            assert gate is None or gate.wait(30)
            return TranscriptResult(" ".join(map(str, range(len(audio) // len(CHUNK)))), is_final=True)

    return Counting


async def hear(model: RerunModel, chunks: int) -> list[str]:
    """The fragments that are not empty."""
    return [answer.text for _ in range(chunks) if (answer := await model.transcribe_chunk(CHUNK)).text]


def test_fragments_are_what_two_runs_agree_on() -> None:
    """The first run tells nothing; the final is the whole, and the next utterance begins anew."""

    async def main() -> None:
        model = counting()()
        await model.open(SessionInfo("s", language="en"))
        assert "en" == model.info.language
        for _ in range(2):
            assert ["0 1 2 3 4 5 6 7", " 8 9 10 11"] == await hear(model, 18)
            assert TranscriptResult(" ".join(map(str, range(18))), is_final=True) == await model.finalize()

    run_virtual(main())


def test_a_busy_runtime_is_not_asked_for_fragments() -> None:
    """They are given up; the final waits its turn, and nothing of it is missing."""

    async def main() -> None:
        gate = threading.Event()
        model_class = counting(gate)
        one, other = model_class(), model_class()
        await other.transcribe_chunk(CHUNK)
        final = asyncio.create_task(other.finalize())
        await settle()
        assert [] == await hear(one, 30)
        gate.set()
        assert ("0", 30) == ((await final).text, len((await one.finalize()).text.split()))

    run_virtual(main())


def test_nothing_is_not_heard() -> None:
    """An utterance without audio, left by an object that failed, has no text and costs no run."""
    closed: Callable[[], type[RerunModel]] = lambda: counting(threading.Event())  # noqa: E731 - a gate that stays shut
    assert TranscriptResult("", is_final=True) == run_virtual(closed()().finalize())


def test_an_adapter_says_how_to_recognise() -> None:
    """The base cannot."""
    with pytest.raises(NotImplementedError):
        RerunModel().recognise(b"")
