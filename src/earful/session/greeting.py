"""What `start` asks for and what `started` answers. Pure; protocol section 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.audio.pcm import Encoding, Format
from earful.errors import EarfulError, ErrorCode
from earful.protocol.messages import Limits, Start, Started

if TYPE_CHECKING:
    from earful.models.types import SessionInfo
    from earful.session.rules import SessionLimits


def format_of(start: Start) -> Format:
    """The format that `start` declares; raises EarfulError(UNSUPPORTED_FORMAT)."""
    if start.encoding not in set(Encoding):
        known = ", ".join(Encoding)
        raise EarfulError(ErrorCode.UNSUPPORTED_FORMAT, f"The encoding must be one of {known}.")
    return Format(Encoding(start.encoding), start.sample_rate, start.channels)


def started(info: SessionInfo, audio_format: Format, limits: SessionLimits) -> Started:
    """The answer to an accepted `start` of a new session."""
    return Started(
        session_id=info.session_id,
        next_sequence=1,
        next_index=0,
        sample_rate=audio_format.sample_rate,
        encoding=audio_format.encoding.value,
        limits=Limits(
            max_message_bytes=limits.max_message_bytes,
            max_chunk_ms=limits.max_chunk_ms,
            idle_timeout_s=limits.idle_timeout_s,
            max_session_s=limits.max_session_s,
            max_speed=limits.max_speed,
            max_buffered_ms=limits.max_buffered_ms,
        ),
    )
