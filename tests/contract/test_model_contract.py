"""What every model promises, run over each that ships or is shown: both mocks and the example, plain or batch."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import run_virtual

from earful.engine.answers import check_answer
from earful.models.loading import load_model
from earful.models.types import SessionInfo, Step, TranscriptResult

if TYPE_CHECKING:
    from earful.models.base import ASRModel, BatchModel

BLOCK_SAMPLES = 1600
every_model = pytest.mark.parametrize("name", ["mock", "earful.models.mock:MockASRModel", "loudness_model:Loudness"])


class Alone:
    """One session's view of a batch model, as if it were a plain one."""

    def __init__(self, model: BatchModel) -> None:
        self._model = model
        self._memory: object = None

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Have one item heard."""
        return await self._step(audio, end=False)

    async def finalize(self) -> TranscriptResult:
        """Have the end heard."""
        return await self._step(b"", end=True)

    async def _step(self, audio: bytes, *, end: bool) -> TranscriptResult:
        item = Step(audio, end, SessionInfo("s"), self._memory)
        (answer,) = await self._model.step([item])
        self._memory = item.memory
        return check_answer(answer)


def speech(seed: int, samples: int = 5 * BLOCK_SAMPLES) -> bytes:
    """Audio that is like no other."""
    dice = random.Random(seed)  # noqa: S311 - a seeded test, no secret
    return b"".join(dice.randbytes(2) if nth % 7 else b"\0\0" for nth in range(samples))


def made(name: str) -> ASRModel:
    """Make one object of the model, as a worker would."""
    model = load_model(name, {})
    run_virtual(model.load())
    return Alone(model.shared()) if model.is_batch else model.create()


def hear(model: ASRModel, *chunks: bytes) -> tuple[str, str]:
    """Run one utterance: its fragments together, and its final."""

    async def main() -> tuple[str, str]:
        fragments = [check_answer(await model.transcribe_chunk(chunk)) for chunk in chunks]
        final = check_answer(await model.finalize())
        assert [False] * len(fragments) + [True] == [answer.is_final for answer in (*fragments, final)]
        return "".join(fragment.text for fragment in fragments), final.text

    return run_virtual(main())


@every_model
def test_fragments_make_the_final(name: str) -> None:
    """Concatenated as they are, they are the utterance; the first has no space before it."""
    audio = speech(1)
    fragments, final = hear(made(name), audio[:3000], audio[3000:9000], audio[9000:])
    assert final == fragments
    assert final
    assert final == final.strip()


@every_model
@given(cuts=st.lists(st.integers(0, 5 * BLOCK_SAMPLES), max_size=9))
def test_cutting_changes_nothing(name: str, cuts: list[int]) -> None:
    """Any cutting into whole samples gives the same final."""
    audio = speech(2)
    edges = [0, *(2 * cut for cut in sorted(set(cuts) - {0, 5 * BLOCK_SAMPLES})), len(audio)]
    chunks = [audio[start:end] for start, end in pairwise(edges)]
    assert hear(made(name), audio) == hear(made(name), *chunks)


@every_model
def test_finalize_resets(name: str) -> None:
    """The next utterance is heard as by a new object, also after one that ended within a block."""
    model = made(name)
    first = hear(model, speech(3, samples=4000))
    assert ("", "") == hear(model)
    assert first == hear(model, speech(3, samples=4000)) == hear(made(name), speech(3, samples=4000))


@every_model
def test_objects_do_not_share_their_audio(name: str) -> None:
    """Two sessions, interleaved, hear each its own."""
    one, two = made(name), made(name)

    async def main() -> list[str]:
        for nth in range(4):
            await one.transcribe_chunk(speech(10 + nth, samples=1000))
            await two.transcribe_chunk(bytes(2000))
        return [(await model.finalize()).text for model in (one, two)]

    alone = hear(made(name), *(speech(10 + nth, samples=1000) for nth in range(4)))[1]
    assert [alone, hear(made(name), bytes(8000))[1]] == run_virtual(main())
