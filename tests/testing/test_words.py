"""How many words are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.testing import word_error_rate

WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("expected", "heard", "rate"),
    [
        ("the harbour was quiet", "The harbour, was quiet.", 0),
        ("the harbour was quiet", "the harbour is quiet", 0.25),
        ("the harbour was quiet", "harbour was", 0.5),
        ("the harbour was quiet", "", 1),
        ("one", "one two three", 2),
        ("don't do it", "do n't do it", 2 / 3),
    ],
)
def test_words_in_out_and_changed_count(expected: str, heard: str, rate: float) -> None:
    """Over the words that were said; it may be above 1."""
    assert rate == word_error_rate(expected, heard)


@given(WORDS, WORDS)
def test_it_is_a_distance(one: str, other: str) -> None:
    """None to itself, the same both ways, at most the longer."""
    edits = word_error_rate(one, other) * len(one.split())
    assert 0 == word_error_rate(one, one)
    assert edits == pytest.approx(word_error_rate(other, one) * len(other.split()))
    assert edits <= max(len(one.split()), len(other.split())) + 1e-9


def test_a_text_without_words_has_no_rate() -> None:
    """There is nothing to divide by."""
    with pytest.raises(ValueError, match="no word error rate"):
        word_error_rate("...", "a")
