"""What a session or an upload came to, as a sentence.

Pure. Made of the fields of its end; guarantees that what is not told there, or is nothing, is left out, and that a
number is all that is taken from a field. Used by `story.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONG_SILENT_S = 1.0
"""A client that speaks is silent for less between two chunks."""


def amounts(fields: Mapping[str, Any]) -> str:
    """Of a session's last connection; empty where no audio is told of."""
    return "; ".join(_of_connection(fields)) + "." if "audio_ms" in fields else ""


def upload_amounts(fields: Mapping[str, Any]) -> str:
    """Of an upload; empty where none of its audio was heard."""
    return "; ".join(_of_upload(fields)) + "." if _number(fields, "audio_ms") else ""


def _of_connection(fields: Mapping[str, Any]) -> Iterator[str]:
    before_ms = _number(fields, "resumed_ms")
    who = f"After {before_ms} ms of audio that had been heard before, its last connection" if before_ms else "It"
    chunks, speech_ms = _number(fields, "chunks"), _number(fields, "speech_ms")
    sent = f"{who} sent {max(0, _number(fields, 'audio_ms') - before_ms)} ms of audio"
    yield sent + (f" in {_counted(chunks, 'chunk')}" if chunks else "") + _speech(speech_ms)
    results = [_counted(number, one) for one in ("partial", "final") if (number := _number(fields, f"{one}s"))]
    slowest_ms = _number(fields, "longest_lag_ms")
    if results:
        yield f"it was told {' and '.join(results)}" + (f", the slowest after {slowest_ms} ms" if slowest_ms else "")
    elif "finals" in fields:
        yield "it was told no result"
    if held_s := _number(fields, "held_s"):
        yield f"the server paused reading for {held_s} s"
    if (silent_s := _number(fields, "silent_s")) >= _LONG_SILENT_S:
        yield f"nothing had come for {silent_s} s"


def _of_upload(fields: Mapping[str, Any]) -> Iterator[str]:
    finals = _number(fields, "finals")
    within = f" in {_counted(finals, 'utterance')}" if finals else ""
    yield f"It had {_number(fields, 'audio_ms')} ms of audio{_speech(_number(fields, 'speech_ms'))}{within}"
    if model_s := _number(fields, "model_s"):
        yield f"the model took {model_s} s"


def _speech(speech_ms: float) -> str:
    return f", {speech_ms} ms of it speech" if speech_ms else ""


def _counted(number: float, one: str) -> str:
    """`1 final`, `2 finals`."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def _number(fields: Mapping[str, Any], name: str) -> float:
    """A field's number; 0 where it is not there, or is something else."""
    value = fields.get(name)
    return value if isinstance(value, int | float) else 0
