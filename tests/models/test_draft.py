"""When an open utterance is heard again: often enough at first, and never at more than a known price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.models.draft import FIRST_MS, Draft

MS = bytes(32)


def runs_of(draft: Draft, chunks_ms: list[int]) -> list[int]:
    """How much audio, in ms, each run heard."""
    runs = []
    for chunk_ms in chunks_ms:
        draft.hear(MS * chunk_ms)
        if draft.is_due:
            runs.append(len(draft.take()) // 32)
    return runs


def test_runs_are_ever_further_apart() -> None:
    """The first after 800 ms, each at half as much again."""
    assert [800, 1200, 1800, 2700, 4100, 6200, 9300] == runs_of(Draft(), [100] * 100)
    assert [800, 1600, 3200, 6400] == runs_of(Draft(growth=2), [100] * 100)


@given(chunks_ms=st.lists(st.integers(1, 1000), max_size=200), growth=st.floats(1.05, 4))
def test_the_price_is_bounded(chunks_ms: list[int], growth: float) -> None:
    """All runs together hear at most `growth / (growth - 1)` times the utterance."""
    runs = runs_of(Draft(growth), chunks_ms)
    assert sum(runs) <= sum(chunks_ms) * growth / (growth - 1) + 1e-6


@given(chunks=st.lists(st.binary(max_size=60), max_size=20))
def test_the_whole_utterance_is_kept(chunks: list[bytes]) -> None:
    """And the next begins with nothing."""
    draft = Draft()
    for chunk in chunks:
        draft.hear(chunk)
    assert b"".join(chunks) == draft.finish()
    assert (b"", False) == (draft.finish(), draft.is_due)


def test_nobody_waits_for_an_upload_s_fragments() -> None:
    """What comes whole, or late and therefore in large pieces, is heard once, at its end; so is an empty end."""
    draft, due = Draft(), []
    for audio in (MS * FIRST_MS, MS, b""):
        draft.hear(audio)
        due.append(draft.is_due)
    assert [False, True, False] == due


def test_words_are_told_per_utterance() -> None:
    """Agreement begins anew with each."""
    draft = Draft()
    assert ["", "a"] == [draft.tell("a"), draft.tell("a b")]
    draft.finish()
    assert ["", "a b"] == [draft.tell("a b"), draft.tell("a b")]


@pytest.mark.parametrize("growth", [1, 0.5, float("nan")])
def test_growth_must_grow(growth: float) -> None:
    """At 1 every chunk would be a run over everything."""
    with pytest.raises(ValueError, match="above 1"):
        Draft(growth)
