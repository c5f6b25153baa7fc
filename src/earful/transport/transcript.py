"""An upload's transcript in the form that was asked for: JSON, plain text, or captions.

Guarantees UTF-8, and that all four tell the same utterances. Used by `rest.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import UNSET
from starlette.responses import Response

from earful.captions import Captions, Timed
from earful.transport import responses, schemas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.captions import CaptionFormat
    from earful.protocol.messages import Final

TranscriptFormat = Literal["json", "text", "srt", "vtt"]
_TYPES = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
ANSWERS: responses.Responses = {
    200: {"content": {kind: {"schema": {"type": "string"}} for kind in _TYPES.values()}},
    **responses.UPLOAD_ERRORS,
}
"""What OpenAPI tells of them, beside the JSON."""


def answer(form: TranscriptFormat, told: schemas.Transcription, segments: Sequence[Final]) -> Response:
    """The answer to an upload: `told` as JSON, or its segments as text or captions."""
    if form == "json":
        return Response(told.model_dump_json(), media_type="application/json")
    text = _lines(segments) if form == "text" else _captions(form, segments)
    return Response(text, media_type=_TYPES[form])


def transcription(
    segments: Sequence[Final], *, duration_ms: int, processing_ms: int, request_id: str
) -> schemas.Transcription:
    """All there is to tell of an upload."""
    return schemas.Transcription(
        text=" ".join(segment.text for segment in segments if segment.text),
        duration_ms=duration_ms,
        processing_ms=processing_ms,
        segments=[schemas.Segment(index=s.index, text=s.text, start_ms=s.start_ms, end_ms=s.end_ms) for s in segments],
        request_id=request_id,
    )


def _lines(segments: Sequence[Final]) -> str:
    """Each utterance a line."""
    return "".join(f"{segment.text}\n" for segment in segments if segment.text)


def _captions(kind: CaptionFormat, segments: Sequence[Final]) -> str:
    captions = Captions(kind)
    return captions.beginning + "".join(captions.take(*_timed(segment)) for segment in segments)


def _timed(segment: Final) -> tuple[Timed, list[Timed]]:
    words = [] if segment.words is UNSET else segment.words
    return (
        Timed(segment.text, segment.start_ms, segment.end_ms),
        [Timed(word.word, word.start_ms, word.end_ms) for word in words],
    )
