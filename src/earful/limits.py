"""What the settings mean to each part: their units and percentages as the rules and limits that it is built with. Pure.

Used by `app.py` alone, so that no part but it knows the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.engine.pool import ProcessRules
from earful.service.connection import ConnectionLimits
from earful.service.ladder import LadderRules, doubling, filling
from earful.service.outbox import OutboxLimits
from earful.service.registry import RegistryLimits
from earful.service.upload import UploadLimits
from earful.session.rules import ListeningRules, SessionLimits

if TYPE_CHECKING:
    from earful.settings import Settings


def ladder_rules(settings: Settings) -> LadderRules:
    """When the worker sheds what."""
    return LadderRules(
        audio_lag_s=doubling(settings.overload_lag_ms / 1000),
        loop_lag_s=doubling(settings.overload_loop_lag_ms / 1000),
        memory_share=filling(settings.overload_memory_percent / 100),
    )


def registry_limits(settings: Settings) -> RegistryLimits:
    """What the worker lets in, and how its sessions are held to it."""
    return RegistryLimits(
        max_sessions=settings.max_sessions,
        max_uploads=settings.max_uploads,
        rules=ListeningRules(
            aggressiveness=settings.vad_aggressiveness,
            frame_ms=settings.vad_frame_ms,
            onset_frames=settings.onset_frames,
            onset_window=settings.onset_window,
            pre_roll_ms=settings.pre_roll_ms,
            hangover_ms=settings.hangover_ms,
            endpoint_silence_ms=settings.endpoint_silence_ms,
            max_utterance_s=settings.max_utterance_s,
        ),
        session=SessionLimits(
            idle_timeout_s=settings.idle_timeout_s,
            handshake_timeout_s=settings.handshake_timeout_s,
            max_session_s=settings.max_session_s,
            max_speed=settings.max_speed,
            max_chunk_ms=settings.max_chunk_ms,
            max_buffered_ms=settings.max_buffered_ms,
            max_message_bytes=settings.max_message_bytes,
            stall_timeout_s=settings.stall_timeout_s,
            resume_window_s=settings.resume_window_s,
        ),
        connection=ConnectionLimits(
            outbox=OutboxLimits(settings.max_unsent_bytes, settings.max_unsent_s),
            max_messages_per_s=settings.max_messages_per_s,
            ping_interval_s=settings.ping_interval_s,
            ping_timeout_s=settings.ping_timeout_s,
        ),
        max_sessions_total=settings.max_sessions_total,
        max_new_sessions_per_s=settings.max_new_sessions_per_s,
        max_loop_load=settings.overload_cpu_percent / 100,
        max_model_load=settings.model_load_percent / 100,
        log_text=settings.log_text,
        resume_reserve=settings.reserved_seats,
    )


def upload_limits(settings: Settings) -> UploadLimits:
    """How long a recording may be."""
    return UploadLimits(max_upload_s=settings.max_upload_s)


def process_rules(settings: Settings) -> ProcessRules | None:
    """How the model has processes of its own; None where it has none."""
    if not settings.model_processes:
        return None
    return ProcessRules(settings.model_processes, settings.model_process_max_mb * 1_000_000)
