"""Captions: what a player reads of them is what was said, when it was said, and fits on its screen."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, NamedTuple, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from earful.captions import MOST_CHARACTERS, MOST_LINES, CaptionFormat, Captions, Timed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KINDS = get_args(CaptionFormat)
HOUR_MS = 3_600_000
LONG = "the harbour was quiet when the first boats came in and nobody had thought of bringing the lanterns along"


class Cue(NamedTuple):
    """What a player shows."""

    start_ms: int
    end_ms: int
    lines: list[str]


def written(kind: CaptionFormat, *utterances: Timed, words: Sequence[Timed] = ()) -> str:
    """The whole file."""
    captions = Captions(kind)
    return captions.beginning + "".join(captions.take(utterance, words) for utterance in utterances)


def played(kind: CaptionFormat, text: str) -> list[Cue]:
    """The cues, read as strictly as the strictest player: blocks between empty lines, numbered from 1."""
    if kind == "vtt":
        head, text = text[:8], text[8:]
        assert "WEBVTT\n\n" == head
    assert not text or text.endswith("\n\n")
    blocks = text.removesuffix("\n\n").split("\n\n") if text else []
    return [read_block(kind, nth, block) for nth, block in enumerate(blocks, 1)]


def read_block(kind: CaptionFormat, nth: int, block: str) -> Cue:
    """One cue; its text has nothing that a player would take for more than text."""
    number, times, *lines = block.split("\n")
    assert str(nth) == number
    assert lines
    assert not any("-->" in line or (kind == "vtt" and re.search(r"[<>]|&(?!amp;|lt;|gt;)", line)) for line in lines)
    start, end = times.split(" --> ")
    return Cue(read_clock(kind, start), read_clock(kind, end), [unescape(x) if kind == "vtt" else x for x in lines])


def read_clock(kind: CaptionFormat, clock: str) -> int:
    """Milliseconds."""
    found = re.fullmatch(rf"(\d{{2,}}):([0-5]\d):([0-5]\d){'[.]' if kind == 'vtt' else ','}(\d{{3}})", clock)
    assert found is not None, clock
    hours, minutes, seconds, ms = map(int, found.groups())
    return hours * HOUR_MS + minutes * 60_000 + seconds * 1_000 + ms


def letters(texts: Iterable[str]) -> str:
    """Everything but the space between."""
    return "".join("".join(text.split()) for text in texts)


TIMES = st.integers(0, 200 * HOUR_MS)
TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=100)
    | st.sampled_from(["-->", "a-->b", "<b>", "&amp;", "the", "harbour"]),
    max_size=40,
).map(" ".join)
UTTERANCES = st.lists(st.builds(Timed, TEXTS, TIMES, TIMES), max_size=5)


@given(st.sampled_from(KINDS), UTTERANCES)
@example("vtt", [])
@example("srt", [Timed("", 0, 5), Timed("  ", 5, 6)])
def test_whatever_is_said_can_be_played(kind: CaptionFormat, utterances: list[Timed]) -> None:
    """All of it, in order, in lines and cues that fit, none before the end of the one before."""
    cues = played(kind, written(kind, *utterances))
    said = letters(utterance.text for utterance in utterances)
    assert letters(line for cue in cues for line in cue.lines) == (
        said if kind == "vtt" else said.replace("-->", "\N{RIGHTWARDS ARROW}")
    )
    assert all(len(cue.lines) <= MOST_LINES for cue in cues)
    assert all(0 < len(line) <= MOST_CHARACTERS for cue in cues for line in cue.lines)
    edges = [edge for cue in cues for edge in (cue.start_ms, cue.end_ms)]
    assert sorted(edges) == edges
    assert all(cue.start_ms < cue.end_ms for cue in cues)


@given(st.sampled_from(KINDS), TEXTS, st.integers(0, HOUR_MS), st.integers(10_000, 30_000))
def test_an_utterance_begins_and_ends_as_it_was_spoken(
    kind: CaptionFormat, text: str, start_ms: int, duration_ms: int
) -> None:
    """Its first cue at its start, its last at its end, each where the one before it ended."""
    cues = played(kind, written(kind, Timed(text, start_ms, start_ms + duration_ms)))
    edges = [edge for cue in cues for edge in (cue.start_ms, cue.end_ms)]
    assert [start_ms, start_ms + duration_ms] == [edges[0], edges[-1]] if text.split() else [] == edges
    assert edges[1:-1:2] == edges[2::2]


def test_a_short_utterance_is_one_cue() -> None:
    """In the two forms, byte for byte."""
    said = Timed("Fish & chips <now> -->", 150, HOUR_MS * 100 + 61_005)
    assert "1\n00:00:00,150 --> 100:01:01,005\nFish & chips <now> \N{RIGHTWARDS ARROW}\n\n" == written("srt", said)
    assert ("WEBVTT\n\n1\n00:00:00.150 --> 100:01:01.005\nFish &amp; chips &lt;now&gt; --&gt;\n\n") == written(
        "vtt", said
    )


def test_lines_are_about_equally_long() -> None:
    """No word is left alone on the screen; a cue takes the share of time that its characters are."""
    cues = played("srt", written("srt", Timed(LONG, 0, 10_400)))
    assert [
        ["the harbour was quiet when the first", "boats came in and nobody had thought"],
        ["of bringing the lanterns along"],
    ] == [cue.lines for cue in cues]
    spoken = [len("".join(cue.lines).replace(" ", "")) for cue in cues]
    assert 10_400 * spoken[0] // sum(spoken) == cues[0].end_ms == cues[1].start_ms


def test_words_have_their_own_times() -> None:
    """A pause between two cues is one on the screen."""
    texts = LONG.split()
    words = [
        Timed(text, nth * 100 + (nth > 12) * 5_000, nth * 100 + 80 + (nth > 12) * 5_000)
        for nth, text in enumerate(texts)
    ]
    cues = played("vtt", written("vtt", Timed(LONG, 0, 9_000), words=words))
    first = len(" ".join(cues[0].lines).split())
    assert [(0, words[first - 1].end_ms), (words[first].start_ms, words[-1].end_ms)] == [cue[:2] for cue in cues]


@pytest.mark.parametrize("words", [(), (Timed("the", 5_000, 5_100),)])
def test_words_that_are_not_the_texts_are_not_believed(words: Sequence[Timed]) -> None:
    """A model may tell too few."""
    assert written("srt", Timed(LONG, 0, 9_000)) == written("srt", Timed(LONG, 0, 9_000), words=words)


def test_captions_of_several_utterances_are_one_file() -> None:
    """Numbered through, the silent ones left out."""
    said = [Timed("one", 0, 100), Timed("", 100, 200), Timed("two", 300, 400)]
    assert [Cue(0, 100, ["one"]), Cue(300, 400, ["two"])] == played("srt", written("srt", *said))
