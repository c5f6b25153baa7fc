"""What a transcript looks like outside a terminal, in each form: a screen that makes text of messages.

Guarantees that what is given to `write` is, piece by piece, the whole transcript, and that nothing is written before
something was heard, or all of it ended well. Used by `earful transcribe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from earful.captions import CaptionFormat, Captions, Timed
from earful.cli.screens import JsonLines, is_spoken, line_of
from earful.client import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

Form = Literal["text", "json", "srt", "vtt"]


class Sheet(JsonLines):
    """One transcript, written as it comes: lines with times, or messages as JSON lines."""

    def __init__(self, form: Form, write: Callable[[str], object], moved: Callable[[float], object]) -> None:
        """`moved` is told how much audio was sent, in ms."""
        self._is_json = form == "json"
        self._write = write
        self._moved = moved

    def show(self, message: dict[str, Any], text: str) -> None:
        """Write what there is to write of a message."""
        if self._is_json:
            self._write(f"{text}\n")
        elif is_spoken(message):
            self._write(self._written(message))

    def progress(self, sent_ms: float) -> None:
        """Pass it on."""
        self._moved(sent_ms)

    def _written(self, final: dict[str, Any]) -> str:
        return f"{line_of(final)}\n"


class CaptionSheet(Sheet):
    """Captions."""

    def __init__(self, form: CaptionFormat, write: Callable[[str], object], moved: Callable[[float], object]) -> None:
        """None were written yet."""
        super().__init__(form, write, moved)
        self._captions = Captions(form)
        self._unwritten = self._captions.beginning

    def __exit__(self, kind: object = None, *_: object) -> None:
        """Where all ended well there is at least how they begin."""
        if kind is None:
            self._write(self._begun(""))

    def _written(self, final: dict[str, Any]) -> str:
        try:
            words = [_timed(word, word["word"]) for word in final.get("words", ())]
            return self._begun(self._captions.take(_timed(final, final["text"]), words))
        except KeyError:
            raise ClientError("The server tells no times, and captions are made of them.") from None

    def _begun(self, captions: str) -> str:
        """Captions behind how they begin, once."""
        beginning, self._unwritten = self._unwritten, ""
        return beginning + captions


def sheet(form: Form, write: Callable[[str], object], moved: Callable[[float], object]) -> Sheet:
    """An empty one."""
    return CaptionSheet(form, write, moved) if form in {"srt", "vtt"} else Sheet(form, write, moved)


def _timed(spoken: dict[str, Any], text: str) -> Timed:
    return Timed(text, spoken["start_ms"], spoken["end_ms"])
