"""What is told while an utterance is open: what two runs agree on, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.models.agreement import Agreement

WORDS = st.lists(st.sampled_from(["the", "harbour", "was", "quiet", "when"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], []),
        (["the harbour"], [""]),
        (["the harbour", "the harbour was"], ["", "the harbour"]),
        (["the arbor", "the harbour was", "the harbour was quiet"], ["", "the", " harbour was"]),
        (["The harbour.", "The harbour was", "the Harbour was."], ["", "The harbour", " was."]),
        (["a b", "a b", "a b"], ["", "a b", ""]),
        (["a b", "a b", "x y z", "x y z"], ["", "a b", "", " z"]),
        (["a", "", "a"], ["", "", ""]),
    ],
)
def test_two_runs_agree(runs: list[str], expected: list[str]) -> None:
    """Case and punctuation do not count; the newer spelling is told; what was told is not taken back."""
    agreement = Agreement()
    assert expected == [agreement.tell(run) for run in runs]


@given(st.lists(WORDS, max_size=8))
def test_fragments_are_words_of_the_runs(runs: list[str]) -> None:
    """Together they are one text without doubled or missing spaces, no longer than the longest run."""
    agreement = Agreement()
    told = "".join(agreement.tell(run) for run in runs)
    assert " ".join(told.split()) == told
    assert len(told.split()) <= max((len(run.split()) for run in runs), default=0)
