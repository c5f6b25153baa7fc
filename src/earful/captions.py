"""Utterances as captions, SubRip (SRT) or WebVTT: at most two lines of 42 characters on the screen at once. Pure.

Guarantees cues in the order given, each with text, lasting at least 1 ms and not before the end of the one before it,
whatever times come in; and that nothing spoken is lost. Used by uploads and `earful transcribe`.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CaptionFormat = Literal["srt", "vtt"]

MOST_CHARACTERS = 42
"""Of a line: what broadcasters allow for Latin scripts."""
MOST_LINES = 2
_MS_PER_H, _MS_PER_MIN, _MS_PER_S = 3_600_000, 60_000, 1_000
_BEGINNINGS: dict[CaptionFormat, str] = {"srt": "", "vtt": "WEBVTT\n\n"}
_DECIMAL_POINTS: dict[CaptionFormat, str] = {"srt": ",", "vtt": "."}
# `-->` would be taken for a cue's times. WebVTT has escapes for it, SubRip none: there it becomes an arrow.
_ESCAPES: dict[CaptionFormat, tuple[tuple[str, str], ...]] = {
    "srt": (("-->", "\N{RIGHTWARDS ARROW}"),),
    "vtt": (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")),
}


class Timed(NamedTuple):
    """A text, and when it is spoken, in ms of the recording."""

    text: str
    start_ms: int
    end_ms: int


class Captions:
    """Writes one recording's captions, utterance by utterance: `beginning`, then what `take` gives, is the file."""

    def __init__(self, kind: CaptionFormat) -> None:
        """Begin before the first cue."""
        self.beginning = _BEGINNINGS[kind]
        self._kind = kind
        self._cues = 0
        self._end_ms = 0

    def take(self, utterance: Timed, words: Sequence[Timed] = ()) -> str:
        """The cues of the next utterance; empty for one without text.

        `words` are the same text with each word's own times. Where there are none, or not one for each word of the
        text, the utterance's time is shared out by characters.
        """
        return "".join(map(self._written, _cues(_spoken(utterance, words))))

    def _written(self, cue: Sequence[Sequence[Timed]]) -> str:
        start_ms = max(cue[0][0].start_ms, self._end_ms)
        self._end_ms = max(cue[-1][-1].end_ms, start_ms + 1)
        self._cues += 1
        times = f"{self._clock(start_ms)} --> {self._clock(self._end_ms)}"
        lines = (self._escaped(" ".join(piece.text for piece in line)) for line in cue)
        return "\n".join([str(self._cues), times, *lines, "", ""])

    def _escaped(self, line: str) -> str:
        for plain, escape in _ESCAPES[self._kind]:
            line = line.replace(plain, escape)
        return line

    def _clock(self, ms: int) -> str:
        hours, ms = divmod(ms, _MS_PER_H)
        minutes, ms = divmod(ms, _MS_PER_MIN)
        seconds, ms = divmod(ms, _MS_PER_S)
        return f"{hours:02d}:{minutes:02d}:{seconds:02d}{_DECIMAL_POINTS[self._kind]}{ms:03d}"


def _spoken(utterance: Timed, words: Sequence[Timed]) -> list[Timed]:
    """The words of an utterance with their times, those too long for a line in pieces that fit."""
    texts = utterance.text.split()
    timed = (
        [Timed(text, word.start_ms, word.end_ms) for text, word in zip(texts, words, strict=True)]
        if len(texts) == len(words)
        else _shared(utterance, texts)
    )
    return [piece for word in timed for piece in _shared(word, _pieces(word.text))]


def _shared(whole: Timed, texts: Sequence[str]) -> list[Timed]:
    """The time of the whole, shared out among its texts by their characters."""
    total = sum(map(len, texts))
    spent = accumulate(map(len, texts), initial=0)
    edges = [whole.start_ms + (whole.end_ms - whole.start_ms) * characters // max(total, 1) for characters in spent]
    return [Timed(text, *times) for text, times in zip(texts, pairwise(edges), strict=True)]


def _pieces(word: str) -> list[str]:
    return [word[at : at + MOST_CHARACTERS] for at in range(0, len(word), MOST_CHARACTERS)]


def _cues(words: Sequence[Timed]) -> list[list[list[Timed]]]:
    """As few lines as can be, about equally long, in cues of at most `MOST_LINES`."""
    fewest = len(_lines(words, MOST_CHARACTERS))
    width = next(width for width in range(1, MOST_CHARACTERS + 1) if len(_lines(words, width)) <= fewest)
    lines = _lines(words, width)
    return [lines[at : at + MOST_LINES] for at in range(0, len(lines), MOST_LINES)]


def _lines(words: Iterable[Timed], width: int) -> list[list[Timed]]:
    """Words filled into lines of at most `width` characters; a longer word has a line of its own."""
    lines: list[list[Timed]] = []
    used = 0
    for word in words:
        if lines and used + 1 + len(word.text) <= width:
            lines[-1].append(word)
            used += 1 + len(word.text)
        else:
            lines.append([word])
            used = len(word.text)
    return lines
