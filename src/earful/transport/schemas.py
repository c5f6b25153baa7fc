"""The shapes of REST bodies, for validation and for OpenAPI, with examples."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from earful.telemetry.log_level import Level

Status = Literal["ok", "starting", "draining", "degraded"]


def _example(**values: JsonValue) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(values)]})


class Segment(BaseModel):
    """One utterance; times in ms of the recording."""

    index: int
    text: str
    start_ms: int
    end_ms: int


class Transcription(BaseModel):
    """A recording as text."""

    model_config = _example(
        text="the harbour was quiet when the first boats came in",
        duration_ms=31190,
        processing_ms=412,
        segments=[
            {
                "index": 0,
                "text": "the harbour was quiet when the first boats came in",
                "start_ms": 140,
                "end_ms": 3260,
            }
        ],
        request_id="7f3a9c1e5b2d4860",
    )

    text: str
    duration_ms: int
    processing_ms: int
    segments: list[Segment]
    request_id: str


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str
    message: str
    request_id: str


class Failure(BaseModel):
    """The body of every answer that is an error."""

    model_config = _example(
        error={
            "code": "not_audio",
            "message": "The body is not audio that can be read.",
            "request_id": "7f3a9c1e5b2d4860",
        }
    )

    error: ErrorBody


class Worker(BaseModel):
    """The answering worker's own numbers."""

    id: str
    slot: int
    active_sessions: int
    max_sessions: int
    overload_level: int
    """What it sheds: 0 nothing, 1 partials, 2 all partials and uploads, 3 new sessions, 4 the newest sessions."""
    accepting: bool
    """Whether a balancer should send new sessions there; slower to change than the level."""
    loop_load: float | None = None
    """The share of the event loop's time that these sessions take; not there where that is not known."""
    model_load: float | None = None
    """The share of the model's time that these sessions take; not there where that is not known."""


class Health(BaseModel):
    """Whether the service should get traffic; `scope` says whether numbers and lists count it all or one worker.

    `degraded` says that the shared `store` is away: everything goes on, with each worker for itself.
    """

    model_config = _example(
        status="ok",
        active_sessions=3,
        scope="service",
        worker={
            "id": "9f31c07be24d5a86",
            "slot": 0,
            "active_sessions": 3,
            "max_sessions": 2000,
            "overload_level": 0,
            "accepting": True,
            "loop_load": 0.2,
            "model_load": 0.35,
        },
        version="0.1.0",
    )

    status: Status
    active_sessions: int
    scope: Literal["service", "worker"]
    worker: Worker
    version: str
    store: Literal["ok", "away"] | None = None
    """Only where workers share one."""


class Alive(BaseModel):
    """A single word."""

    model_config = _example(status="ok")

    status: str


class SessionEvent(BaseModel):
    """Something that happened to a session."""

    unix_ms: int
    name: str
    fields: dict[str, JsonValue]


class Elsewhere(BaseModel):
    """Another worker: whether it lives, and the root of its operations listener where it has one."""

    id: str
    ops: str | None
    lives: bool


class SessionEvents(BaseModel):
    """What the answering worker remembers of a session, oldest first; `elsewhere` is who has it, or had it last."""

    model_config = _example(
        session_id="yT0kq3vXh0m1m8hS5uO4Yw",
        worker="9f31c07be24d5a86",
        events=[{"unix_ms": 1764022991123, "name": "session ended", "fields": {"reason": "superseded"}}],
        elsewhere={"id": "41aa03d97c5e6b20", "ops": "http://10.0.0.2:9001", "lives": True},
    )

    session_id: str
    worker: str
    events: list[SessionEvent]
    elsewhere: Elsewhere | None


class Colleague(BaseModel):
    """A live worker: where its operations listener is, if it has one, and since when it lives."""

    id: str
    slot: int
    ops: str | None
    sessions: int
    version: str
    began_unix_s: float


class Workers(BaseModel):
    """The live workers, in the order of their ids; `worker` is the answering one."""

    model_config = _example(
        worker="9f31c07be24d5a86",
        workers=[
            {
                "id": "9f31c07be24d5a86",
                "slot": 0,
                "ops": "http://127.0.0.1:9000",
                "sessions": 3,
                "version": "0.1.0",
                "began_unix_s": 1764022991.123,
            }
        ],
    )

    worker: str
    workers: list[Colleague]
    partial: bool = False
    """Only where it is true: the store is away, and the others are missing."""


class LogLevel(BaseModel):
    """The least level that is logged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"level": "debug"}]})

    level: Level


class LogLevelChange(BaseModel):
    """What the answering worker, and no other, logs from now on, and did before."""

    model_config = _example(old="info", level="debug", worker="9f31c07be24d5a86")

    old: Level
    level: Level
    worker: str


class LatencyMs(BaseModel):
    """Percentiles in ms."""

    p50: float
    p95: float
    p99: float


class Metrics(BaseModel):
    """What was served since the start, and how fast over the last 60 s."""

    model_config = _example(
        total_requests=1204,
        active_connections=37,
        requests_per_second=1.25,
        error_rate=0.01,
        avg_latency_ms=61.4,
        latency_ms={"p50": 58.0, "p95": 71.0, "p99": 84.0},
        upload_ms={"p50": 210.0, "p95": 480.0, "p99": 900.0},
        overload_level=0,
    )

    total_requests: int
    active_connections: int
    requests_per_second: float
    error_rate: float
    avg_latency_ms: float
    latency_ms: LatencyMs
    upload_ms: LatencyMs
    overload_level: int
    """The highest of any worker."""


_SESSION: dict[str, JsonValue] = {
    "session_id": "yT0kq3vXh0m1m8hS5uO4Yw",
    "state": "ACTIVE",
    "duration_s": 12.402,
    "encoding": "pcm_s16le",
    "sample_rate": 16000,
    "channels": 1,
    "buffered_ms": 0,
    "unsent_bytes": 0,
    "lag_ms": 58,
    "audio_bytes": 396800,
    "audio_ms": 12400,
    "speech_ms": 9320,
    "chunks": 124,
    "partials": 88,
    "finals": 2,
    "errors": 0,
    "model_s": 4.61,
}


class SessionView(BaseModel):
    """A live session's figures; never its text."""

    model_config = _example(**_SESSION)

    session_id: str
    state: str
    duration_s: float
    encoding: str
    sample_rate: int
    channels: int
    buffered_ms: int
    unsent_bytes: int
    lag_ms: int
    audio_bytes: int
    audio_ms: int
    speech_ms: int
    chunks: int
    partials: int
    finals: int
    errors: int
    model_s: float
    # What follows workers of earlier releases do not report.
    attempt: int = 0
    tenant: str | None = None
    worker: str | None = None
    """Only where workers share a store."""


class SessionPage(BaseModel):
    """Some of the live sessions, and where the next page begins."""

    model_config = _example(sessions=[_SESSION], next_cursor="yT0kq3vXh0m1m8hS5uO4Yw")

    sessions: list[SessionView]
    next_cursor: str | None
    partial: bool = False
    """Only where it is true: the store is away, and other workers' sessions are missing."""


_BINARY = {"type": "string", "format": "binary"}
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "audio/wav": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _BINARY}},
            },
        },
    }
}
