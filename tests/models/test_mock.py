"""The mock model: words that prove what was heard, times that fit, failures that consume nothing."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import run_virtual, virtual_now

from earful.models.mock import MockASRModel
from earful.models.types import SessionInfo, TranscriptResult
from earful.models.voice import BLOCK_BYTES


def noise(blocks: float, seed: int = 1) -> bytes:
    """Random samples, `blocks` times 100 ms."""
    return random.Random(seed).randbytes(int(blocks * BLOCK_BYTES))  # noqa: S311 - a seeded test, no secret


def hear(model: MockASRModel, *chunks: bytes) -> tuple[list[str], TranscriptResult]:
    """Run one utterance: the fragments, and the final."""

    async def main() -> tuple[list[str], TranscriptResult]:
        return [(await model.transcribe_chunk(chunk)).text for chunk in chunks], await model.finalize()

    return run_virtual(main())


@pytest.mark.parametrize("words_per_chunk", [0, 1, 2, 3, 40])
def test_says_so_many_words_for_each_block(words_per_chunk: int) -> None:
    """Three blocks and a half give three times the words, all different."""
    _, final = hear(MockASRModel(words_per_chunk=words_per_chunk), noise(3.5))
    assert 3 * words_per_chunk == len(set(final.text.split()))


def test_fragments_concatenate_to_the_final() -> None:
    """The first fragment begins with its word, later ones with the space before it."""
    fragments, final = hear(MockASRModel(), noise(1), noise(0.5), noise(1.6))
    assert final.text == "".join(fragments)
    assert ([2, 0, 4], [False, False, True]) == (
        [len(text.split()) for text in fragments],
        [text.startswith(" ") for text in fragments],
    )


@given(cuts=st.lists(st.integers(0, 4 * BLOCK_BYTES), max_size=12), seed=st.integers(0, 1000))
def test_cutting_changes_nothing(cuts: list[int], seed: int) -> None:
    """Any cutting of the same bytes gives the same final."""
    audio = noise(4, seed)
    edges = [0, *sorted(cuts), len(audio)]
    chunks = [audio[start:end] for start, end in pairwise(edges)]
    assert hear(MockASRModel(), audio)[1] == hear(MockASRModel(), *chunks)[1]


def test_words_count_from_the_utterance() -> None:
    """Finalize forgets words and half a block: the next utterance is as if it were the first."""
    model = MockASRModel()
    first = hear(model, noise(2.3))[1]
    assert first == hear(model, noise(2.3))[1]
    assert "" == hear(model)[1].text


def test_other_audio_has_other_words() -> None:
    """Among 4,000 blocks that differ in one sample no two say the same."""
    blocks = [bytes(2 * nth) + b"\x01\x02" + bytes(BLOCK_BYTES - 2 * nth - 2) for nth in range(1600)]
    blocks += [noise(1, seed) for seed in range(2400)]
    words = hear(MockASRModel(), *blocks)[1].text.split()
    assert 4000 == len(set(zip(words[::2], words[1::2], strict=True)))


def test_the_words_never_change() -> None:
    """The same audio has had these words since the first version, in every process."""
    assert "rotosnos vilervir" == hear(MockASRModel(), bytes(range(256)) * 13)[1].text


def test_words_have_times_where_asked_for() -> None:
    """The words of a block share its 100 ms; confidence is a share."""
    model = MockASRModel(words_per_chunk=3)
    run_virtual(model.open(SessionInfo("s", words=True)))
    _, final = hear(model, noise(2))
    assert [(0, 33), (33, 66), (66, 100), (100, 133), (133, 166), (166, 200)] == [
        (word.start_ms, word.end_ms) for word in final.words
    ]
    assert final.text.split() == [word.word for word in final.words]
    assert all(0 <= word.confidence <= 1 for word in final.words)


def test_words_are_left_out_where_not_asked_for() -> None:
    """Without `open`, or with words off, the final is text alone."""
    model = MockASRModel()
    run_virtual(model.open(SessionInfo("s")))
    assert () == hear(model, noise(2))[1].words


def test_each_call_takes_its_latency() -> None:
    """Two calls of 50 ms take 100 ms."""

    async def main() -> float:
        model = MockASRModel(latency_ms=50)
        await model.transcribe_chunk(noise(1))
        await model.finalize()
        return virtual_now()

    assert pytest.approx(0.1) == run_virtual(main())


def test_a_failing_call_consumes_nothing() -> None:
    """With every other call failing and made again, the words are those of a model that never fails."""

    async def main() -> str:
        model = MockASRModel(error_rate=0.5)
        for nth in range(20):
            while True:
                try:
                    await model.transcribe_chunk(noise(0.7, nth))
                    break
                except RuntimeError:
                    continue
        while True:
            try:
                return (await model.finalize()).text
            except RuntimeError:
                continue

    chunks = [noise(0.7, nth) for nth in range(20)]
    assert hear(MockASRModel(), *chunks)[1].text == run_virtual(main())


def test_error_rate_one_always_fails() -> None:
    """Both methods raise RuntimeError."""
    model = MockASRModel(error_rate=1)
    with pytest.raises(RuntimeError):
        run_virtual(model.transcribe_chunk(noise(1)))
    with pytest.raises(RuntimeError):
        run_virtual(model.finalize())


@pytest.mark.parametrize(
    "options", [{"latency_ms": -1}, {"words_per_chunk": -1}, {"error_rate": -0.1}, {"error_rate": 1.1}]
)
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    """A rate is a share; nothing is negative."""
    with pytest.raises(ValueError, match="must be 0 or more"):
        MockASRModel(**options)
