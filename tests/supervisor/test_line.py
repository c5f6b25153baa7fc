"""The line between a supervisor and a worker: words arrive whole, saying never waits, an end is noticed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from earful.supervisor.line import MAX_CHARACTERS, Line, Word

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def line() -> Iterator[tuple[Line, Line]]:
    """Both ends."""
    ours, theirs = Line.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_words_come_in_order(line: tuple[Line, Line]) -> None:
    """Each with its text, once; before that there is nothing, and nobody waits for it."""
    ours, theirs = line
    assert [] == ours.take()
    theirs.say(Word.READY)
    theirs.say(Word.FAILED, "There are\nno weights.")
    assert [(Word.READY, ""), (Word.FAILED, "There are no weights.")] == ours.take()
    assert [] == ours.take()
    assert ours.is_open


def test_a_word_in_two_pieces_is_one() -> None:
    """It is taken when it is whole."""
    end, raw = socket.socketpair()
    with raw:
        line = Line(end)
        raw.send(b"ready\nret")
        assert [(Word.READY, "")] == line.take()
        raw.send(b"ire\n")
        assert [(Word.RETIRE, "")] == line.take()
        line.close()


def test_a_long_text_is_cut(line: tuple[Line, Line]) -> None:
    """It has to fit."""
    ours, theirs = line
    theirs.say(Word.FAILED, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 2 * MAX_CHARACTERS)
    ((word, text),) = ours.take()
    assert (Word.FAILED, MAX_CHARACTERS) == (word, len(f"{word} {text}"))


def test_the_end_is_noticed_after_the_last_words(line: tuple[Line, Line]) -> None:
    """And stays."""
    ours, theirs = line
    theirs.say(Word.DRAIN)
    theirs.close()
    assert [(Word.DRAIN, "")] == ours.take()
    assert not ours.is_open
    assert [] == ours.take()


def test_an_end_with_words_unread_is_an_end(line: tuple[Line, Line]) -> None:
    """The kernel calls it a reset."""
    ours, theirs = line
    ours.say(Word.RETIRE)
    theirs.close()
    assert [] == ours.take()
    assert not ours.is_open


def test_to_nobody_anything_may_be_said(line: tuple[Line, Line]) -> None:
    """It is lost."""
    ours, theirs = line
    theirs.close()
    ours.say(Word.RETIRE)


def test_to_somebody_who_does_not_listen_anything_may_be_said(line: tuple[Line, Line]) -> None:
    """What does not fit is lost; nobody waits."""
    ours, theirs = line
    for _ in range(100_000):
        theirs.say(Word.DRAIN)
    assert 100 < len(ours.take()) < 100_000
