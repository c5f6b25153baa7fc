"""What `start` asks for, what becomes of it, and what `started` answers. Pure; docs/protocol.md, Opting in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import replace

from earful.audio.pcm import Encoding
from earful.errors import EarfulError, ErrorCode
from earful.protocol.messages import Limits, Started
from earful.session.cursors import Cursors
from earful.session.transcript import Transcript

if TYPE_CHECKING:
    from earful.protocol.cursor import Cursor
    from earful.protocol.messages import Start
    from earful.protocol.seal import Seal
    from earful.session.rules import ListeningRules, SessionLimits

_SETTLED = ("encoding", "sample_rate", "channels", "language", "partials", "words")
"""Fields of `start` that hold for the whole session; a cursor has them under the same names."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session is to be: its cursor where it begins here, the client's attempt, the session's age by then."""

    cursor: Cursor
    attempt: int = 0
    age_s: float = 0.0


def terms_of(start: Start, fresh: Cursor, seal: Seal | None, limits: SessionLimits) -> Terms:
    """What `start` asks for, of a session that is new so far, as `fresh` names it.

    Raises EarfulError: `unsupported_format`; `resume_failed`, the same for whatever is wrong with a cursor.
    """
    if start.resume is None:
        return Terms(_settled(start, fresh))
    if seal is None:
        raise EarfulError(ErrorCode.RESUME_FAILED)
    cursor = seal.read(start.resume.cursor)
    # A beginning in the future, by a clock that is ahead of ours, counts as now.
    age_s = float(max(0, fresh.began_unix_s - cursor.began_unix_s))
    is_other = any(getattr(cursor, name) != value for name, value in _given(start).items())
    if is_other or cursor.tenant != fresh.tenant or age_s > limits.cursor_life_s:
        raise EarfulError(ErrorCode.RESUME_FAILED)
    return Terms(cursor, start.resume.attempt, age_s)


def started(cursor: Cursor, seal: Seal | None, rules: ListeningRules, limits: SessionLimits) -> Started:
    """The answer to a `start` that is granted: where `cursor` stands the session begins, or goes on."""
    return Started(
        session_id=cursor.session_id,
        next_sequence=cursor.position.sequence,
        next_index=cursor.position.index,
        sample_rate=cursor.sample_rate,
        encoding=cursor.encoding.value,
        limits=Limits(
            max_message_bytes=limits.max_message_bytes,
            max_chunk_ms=limits.max_chunk_ms,
            idle_timeout_s=limits.idle_timeout_s,
            max_session_s=limits.max_session_s,
            max_speed=limits.max_speed,
            max_buffered_ms=limits.max_buffered_ms,
            resume_window_s=limits.resume_window_s,
            keep_audio_s=rules.keep_audio_s(limits.max_buffered_ms),
        ),
        cursor=UNSET if seal is None else seal.sign(cursor),
        resumable=UNSET if seal is None else seal.reach,
    )


def transcript_of(cursor: Cursor, seal: Seal | None) -> Transcript:
    """The utterances from the cursor's mark on; with a seal the client is told of every mark."""
    return Transcript(
        partials=cursor.partials,
        words=cursor.words,
        next_index=cursor.position.index,
        cursors=None if seal is None else Cursors(seal, cursor),
    )


def _given(start: Start) -> dict[str, Any]:
    """What `start` says of the session; a field that is absent says nothing."""
    return {name: value for name in _SETTLED if (value := getattr(start, name)) is not UNSET}


def _settled(start: Start, fresh: Cursor) -> Cursor:
    given = _given(start)
    if "encoding" in given:
        if given["encoding"] not in set(Encoding):
            known = ", ".join(Encoding)
            raise EarfulError(ErrorCode.UNSUPPORTED_FORMAT, f"The encoding must be one of {known}.")
        given["encoding"] = Encoding(given["encoding"])
    cursor = replace(fresh, **given)
    _ = cursor.format  # Raises for a rate or channels that there are not.
    return cursor
