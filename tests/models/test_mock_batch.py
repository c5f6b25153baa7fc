"""The mock in steps: the plain mock's words, a cost per batch, failures per item."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import run_virtual, virtual_now

from earful.models.mock import MockASRModel
from earful.models.mock_batch import MockBatchModel
from earful.models.types import SessionInfo, Step, TranscriptResult
from earful.models.voice import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence


def noise(blocks: float, seed: int = 1) -> bytes:
    """Random samples, `blocks` times 100 ms."""
    return random.Random(seed).randbytes(int(blocks * BLOCK_BYTES))  # noqa: S311 - a seeded test, no secret


def item(audio: bytes = b"", *, end: bool = False, words: bool = False, memory: Any = None) -> Step:
    """One session's part of a step."""
    return Step(audio, end, SessionInfo("s", words=words), memory)


def took(model: MockBatchModel, *batches: Sequence[Step]) -> float:
    """Virtual seconds for these steps, one after the other."""

    async def main() -> float:
        for batch in batches:
            await model.step(batch)
        return virtual_now()

    return run_virtual(main())


@given(cuts=st.lists(st.integers(0, 4 * BLOCK_BYTES), max_size=6), seed=st.integers(0, 1000), words=st.booleans())
def test_says_what_the_plain_mock_says(cuts: list[int], seed: int, *, words: bool) -> None:
    """Fragment by fragment, and at the end with the last audio in one step; twice over the same memory."""
    audio = noise(4, seed)
    edges = [0, *sorted(cuts), len(audio)]
    chunks = [audio[start:end] for start, end in pairwise(edges)]

    async def main() -> None:
        plain, batched, memory = MockASRModel(), MockBatchModel(), None
        await plain.open(SessionInfo("s", words=words))
        for _ in range(2):
            for nth, chunk in enumerate(chunks, start=1):
                step = item(chunk, end=nth == len(chunks), words=words, memory=memory)
                (answer,) = await batched.step([step])
                memory = step.memory
                expected = await plain.transcribe_chunk(chunk)
                if step.end:
                    expected = await plain.finalize()
                assert expected == answer

    run_virtual(main())


def test_sessions_share_nothing() -> None:
    """Two in one step, each hears its own."""

    async def main() -> list[Any]:
        model, one, two = MockBatchModel(), item(noise(2)), item(noise(2, seed=2))
        first = await model.step([one, two])
        ends = await model.step([item(end=True, memory=two.memory), item(end=True, memory=one.memory)])
        return [first, ends[::-1]]

    first, ends = run_virtual(main())
    assert [answer.text for answer in first] == [answer.text for answer in ends]
    assert first[0].text != first[1].text


def test_a_step_takes_its_latency_once() -> None:
    """However many items, and whether or not one ends; such steps may overlap."""
    assert pytest.approx(0.1) == took(MockBatchModel(), [item(noise(1), end=True)] * 9, [item()])
    assert None is MockBatchModel().concurrency


def test_a_cost_per_batch_and_item_takes_the_latency_s_place() -> None:
    """20 ms and half a millisecond for each of 500: such steps run one at a time."""
    model = MockBatchModel(batch_ms=20, item_ms=0.5)
    assert pytest.approx(0.27) == took(model, [item()] * 500)
    assert 1 == model.concurrency == MockBatchModel(item_ms=1).concurrency


def test_items_fail_at_their_rate() -> None:
    """All, or about half, each by itself."""

    async def failures(rate: float) -> int:
        answers = await MockBatchModel(error_rate=rate).step([item()] * 400)
        assert all(isinstance(answer, TranscriptResult | RuntimeError) for answer in answers)
        return sum(isinstance(answer, RuntimeError) for answer in answers)

    assert (0, 400) == (run_virtual(failures(0)), run_virtual(failures(1)))
    assert 100 < run_virtual(failures(0.5)) < 300


@pytest.mark.parametrize(
    "options", [{"latency_ms": -1}, {"words_per_chunk": -1}, {"error_rate": 1.1}, {"batch_ms": -1}, {"item_ms": -1}]
)
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    """A rate is a share; nothing is negative."""
    with pytest.raises(ValueError, match="must be 0 or more"):
        MockBatchModel(**options)
