"""What is kept of an open utterance: it can be run again at any moment, and no client notices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earful.engine.kept import Kept
from earful.models.types import MAX_TEXT_CHARS
from earful.models.voice import Voice

CHUNKS = st.lists(st.tuples(st.binary(min_size=1, max_size=8000), st.integers(0, 2)), max_size=12)
"""Each with how many processes die before it is heard."""


@given(CHUNKS)
def test_what_is_told_is_what_an_undisturbed_run_tells(chunks: list[tuple[bytes, int]]) -> None:
    """Wherever processes die, each fragment is told once, and the last process has heard all."""
    kept, voice, undisturbed = Kept(1), Voice(2), Voice(2)
    for pcm, deaths in chunks:
        for _ in range(deaths):
            kept.lose()
            voice = Voice(2)
        assert undisturbed.hear(pcm) == kept.heard(pcm, voice.hear(kept.to_hear(pcm)))
    assert sum(len(pcm) for pcm, _ in chunks) == kept.audio_bytes
    assert undisturbed.finish() == voice.finish()


def test_one_that_says_something_else_the_second_time_is_silent() -> None:
    """Until its final, which replaces all that was told."""
    kept = Kept(1)
    assert "one two" == kept.heard(b"12", "one two")
    kept.lose()
    assert b"1234" == kept.to_hear(b"34")
    assert "" == kept.heard(b"34", "won two three")
    assert "" == kept.heard(b"56", " four")


def test_one_that_is_behind_the_second_time_catches_up() -> None:
    """What the client has is not told again."""
    kept = Kept(1)
    assert "one two" == kept.heard(b"12", "one two")
    kept.lose()
    assert "" == kept.heard(b"34", "one")
    assert " three" == kept.heard(b"56", " two three")


def test_of_one_that_says_more_than_anybody_no_more_is_kept() -> None:
    """Nor told: its final replaces all."""
    kept = Kept(1)
    assert MAX_TEXT_CHARS == sum(len(kept.heard(b"12", "endless ")) for _ in range(MAX_TEXT_CHARS))
    kept.lose()
    assert "" == kept.heard(b"12", "endless " * MAX_TEXT_CHARS)


def test_what_has_ended_is_not_run_again() -> None:
    """The next audio begins another utterance, with no death against it."""
    kept = Kept(1)
    assert not kept.blame(alone=True)
    kept.heard(b"12", "one")
    kept.end()
    kept.lose()
    assert (b"34", 0, False) == (kept.to_hear(b"34"), kept.audio_bytes, kept.is_lost)
    assert not kept.blame(alone=True)


def test_dying_alone_twice_is_a_poison() -> None:
    """Once may be chance, also where it was heard well in between."""
    kept = Kept(1)
    assert not kept.blame(alone=True)
    kept.heard(b"12", "one")
    assert kept.blame(alone=True)


def test_dying_with_others_and_then_alone_is_a_poison() -> None:
    """With others it may have been any of them."""
    kept = Kept(1)
    assert (False, True) == (kept.blame(alone=False), kept.must_be_alone)
    assert kept.blame(alone=True)


def test_who_is_heard_well_alone_is_no_suspect() -> None:
    """However often others die with it."""
    kept = Kept(1)
    for _ in range(3):
        assert not kept.blame(alone=False)
        kept.heard(b"12", "one")
        assert not kept.must_be_alone
