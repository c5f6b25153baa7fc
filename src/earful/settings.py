"""Every setting of the server: one frozen tree, flags over `EARFUL_*` over a file over defaults.

Guarantees that each value is inside its bounds and that the values fit together; whatever is wrong
is one sentence (`SettingsError`). Read by the command line and `app.py`. Plain pydantic, which FastAPI
imports anyway: pydantic-settings knows neither sources nor unknown names, and costs 50 ms of the start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from earful.bounds import complaint
from earful.settings_access import AccessSettings, from_json
from earful.settings_rules import rules_of
from earful.settings_sources import (
    FILE_FLAG,
    Given,
    SettingsError,
    env_of,
    flag_of,
    from_environment,
    from_file,
    from_flags,
    with_secrets,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "SettingsError", "env_of", "flag_of", "mock_settings"]

_MOCK_PREFIX = "mock_"


def _number(value: object) -> object:
    """Text as a whole number where it is one: `Literal` compares without converting."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _as_text(value: object) -> object:
    """A number as it is written: TOML has them, flags and the environment do not."""
    return str(value) if type(value) is int else value


class Settings(AccessSettings, frozen=True):
    """The settings of one server. Use `load`, which says in one sentence what is wrong."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    uds: str | None = Field(
        default=None, min_length=1, description="Path of a Unix socket to listen on in place of host and port."
    )
    uds_mode: Annotated[Literal["600", "660", "666"], BeforeValidator(_as_text)] = Field(
        default="660", description="Who may connect to it: its permissions."
    )
    tls_cert: str | None = Field(
        default=None,
        min_length=1,
        description="File with the certificate and its chain (PEM): clients speak TLS, 1.2 or newer; read again at"
        " SIGHUP.",
    )
    tls_key: str | None = Field(
        default=None, min_length=1, description="File with its key (PEM, not encrypted), unless tls_cert has it too."
    )
    ops_host: str = Field(default="127.0.0.1", min_length=1, description="Address of the operations listener.")
    ops_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="TCP port for metrics, sessions, drain and docs alone, which then leave the public one; worker i"
        " takes this and i more, 0 takes free ones.",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Processes that serve the port side by side.")
    transport: Literal["fast", "asgi"] = Field(
        default="fast", description="How WebSockets are served: straight from the socket, or as an ASGI route."
    )

    model: str = Field(
        default="mock", min_length=1, description="The model: mock, an installed name, or package.module:Class."
    )
    model_options: Annotated[dict[str, Any], BeforeValidator(from_json)] = Field(
        default_factory=dict, description="Keyword arguments of the model's constructor, as a JSON object."
    )
    model_timeout_s: float = Field(default=30, ge=0.01, le=3600, description="Longest a single model call may take.")
    model_processes: int = Field(default=0, ge=0, le=64, description="Processes the model runs in; 0 is the worker's.")
    model_process_max_mb: int = Field(default=0, ge=0, le=10**7, description="Memory of one, to be replaced; 0 is any.")
    model_load_percent: float = Field(
        default=90, ge=0, le=100, description="Share of the model's time above which nobody new is let in; 0 is never."
    )
    mock_latency_ms: float = Field(default=50, ge=0, le=60_000, description="How long a call of the mock model takes.")
    mock_words_per_chunk: int = Field(
        default=2, ge=0, le=100, description="Words the mock model gives for 100 ms of audio."
    )
    mock_error_rate: float = Field(default=0.0, ge=0, le=1, description="Share of the mock model's calls that fail.")
    mock_batch_ms: float = Field(
        default=0,
        ge=0,
        le=60_000,
        description="What each batch of the mock model costs; with it, or mock_item_ms, steps run one at a time.",
    )
    mock_item_ms: float = Field(
        default=0, ge=0, le=60_000, description="What each item of a batch costs the mock model, in place of a latency."
    )

    secret: SecretStr = Field(
        default=SecretStr(""),
        description="What signs cursors, so that any worker that has it can resume a session: one secret, or several"
        " with commas between, the first to sign and all to verify. Without one it is drawn at each start.",
    )
    secret_file: str | None = Field(
        default=None, min_length=1, description="File that holds the secret in its place; read again at SIGHUP."
    )
    resume_window_s: float = Field(
        default=120, ge=0, le=86_400, description="How long after a drop a client may go on trying to resume."
    )
    resume_reserve: float = Field(
        default=10, ge=0, le=1000, description="Places for resumed sessions on top of max_sessions, in percent of them."
    )

    store: SecretStr = Field(
        default=SecretStr("memory://"),
        description="Where workers know of each other's sessions: memory:// (each of its own), redis://host:port/db,"
        " redis+sentinel://host:port,.../service or redis+cluster://host:port,...; rediss for TLS.",
    )
    store_file: str | None = Field(
        default=None, min_length=1, description="File that holds the store's URL in its place; read again at SIGHUP."
    )
    redis_max_connections: int = Field(
        default=16, ge=1, le=1000, description="Connections this worker has to Redis at once."
    )

    max_sessions: int = Field(default=2000, ge=1, le=1_000_000, description="Sessions this worker holds at once.")
    max_sessions_total: int | None = Field(
        default=None, ge=1, le=100_000_000, description="Sessions all workers of the store hold together."
    )
    max_new_sessions_per_s: float = Field(
        default=0, ge=0, le=1_000_000, description="Sessions this worker lets begin in a second; 0 is no limit."
    )
    max_uploads: int = Field(default=100, ge=1, le=100_000, description="Uploads this worker works on at once.")
    idle_timeout_s: float = Field(
        default=60, ge=0.1, le=86_400, description="A session silent on the wire for so long is ended."
    )
    max_session_s: float = Field(default=14_400, ge=0.1, le=604_800, description="Longest a session may last.")
    handshake_timeout_s: float = Field(
        default=10,
        ge=0.1,
        le=300,
        description="Longest a WebSocket upgrade may take, and then a resume on a place of resume_reserve.",
    )

    onset_frames: int = Field(
        default=3, ge=1, le=20, description="Speech frames in onset_window that open an utterance."
    )
    onset_window: int = Field(
        default=5, ge=1, le=20, description="Newest frames looked at for an utterance's beginning."
    )
    pre_roll_ms: int = Field(
        default=200, ge=0, le=2000, description="Audio the model hears before the first speech frame."
    )
    hangover_ms: int = Field(
        default=200, ge=0, le=5000, description="Audio after the last speech frame that the model hears."
    )
    endpoint_silence_ms: int = Field(default=600, ge=100, le=10_000, description="Silence that ends an utterance.")
    max_utterance_s: float = Field(
        default=30, ge=1, le=600, description="Longest an utterance may be; it is cut there."
    )
    vad_aggressiveness: int = Field(
        default=2, ge=0, le=3, description="How readily the voice detector calls sound silence."
    )
    vad_frame_ms: Annotated[Literal[10, 20, 30], BeforeValidator(_number)] = Field(
        default=20, description="Length of the frames the voice detector judges."
    )

    max_buffered_ms: int = Field(
        default=5000,
        ge=100,
        le=600_000,
        description="Audio that may wait for the model before the socket is no longer read.",
    )
    max_chunk_ms: int = Field(
        default=10_000, ge=10, le=600_000, description="Longest audio a single message may carry."
    )
    stall_timeout_s: float = Field(default=120, ge=0.1, le=3600, description="Longest the socket may stay unread.")
    max_unsent_bytes: int = Field(
        default=1 << 20, ge=1024, le=1 << 30, description="Unsent results, per connection, above which it is closed."
    )
    max_unsent_s: float = Field(default=10, ge=0.1, le=600, description="Longest a result may stay unsent.")
    max_message_bytes: int = Field(
        default=1 << 20, ge=1024, le=1 << 26, description="Largest WebSocket message accepted."
    )
    max_upload_mb: float = Field(
        default=200, gt=0, le=100_000, description="Largest file accepted, in units of 1,000,000 bytes."
    )
    max_upload_s: float = Field(
        default=14_400, gt=0, le=604_800, description="Longest recording accepted, in seconds of audio."
    )
    max_speed: float = Field(
        default=4, ge=0, le=1000, description="How many times real time a session may run; 0 is no limit."
    )
    max_messages_per_s: float = Field(
        default=1000, ge=1, le=1_000_000, description="Messages a second above which a connection is read no faster."
    )
    ping_interval_s: float = Field(
        default=20, ge=0.1, le=3600, description="How often a silent peer is asked for a sign of life."
    )
    ping_timeout_s: float = Field(default=20, ge=0.1, le=3600, description="How long that sign may take.")
    overload_lag_ms: float = Field(
        default=500,
        ge=0,
        le=1250,
        description="Lag of answers from which on it sheds load, in four steps at twice the lag each; 0 is never.",
    )
    overload_loop_lag_ms: float = Field(
        default=100, ge=0, le=60_000, description="The same for how late its event loop is; 0 is never."
    )
    overload_memory_percent: float = Field(
        default=90, ge=0, le=100, description="Share of the memory in use from which on it sheds load; 0 is never."
    )
    overload_cpu_percent: float = Field(
        default=80, ge=0, le=100, description="Share of one core above which nobody new is let in; 0 is never."
    )
    drain_s: float = Field(default=8, ge=0.1, le=3600, description="Longest a shutdown may take.")
    send_buffer_bytes: int = Field(
        default=65_536, ge=4096, le=1 << 26, description="The kernel's send buffer, per connection."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="JSON lines, readable text, or text on a terminal and JSON elsewhere."
    )
    log_text: bool = Field(
        default=False, description="Whether what is spoken is logged, on debug lines; it never is otherwise."
    )

    tracing: Literal["off", "on"] = Field(
        default="off",
        description="Whether sessions and uploads become OpenTelemetry spans, exported as the OTEL_* variables say;"
        " needs earful[otel].",
    )
    tracing_calls_percent: float = Field(
        default=1, ge=0, le=100, description="Share of model and store calls that become spans of their own."
    )

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)
    _loads: list[Callable[[], Self]] = PrivateAttr(default_factory=list)

    @classmethod
    def load(cls, flags: Mapping[str, object], env: Mapping[str, str], file: str | None = None) -> Self:
        """The settings that `flags` (by setting name; only those given), the environment and a TOML file ask for.

        The file is `file`, else the one that `EARFUL_CONFIG` names, else none. Raises SettingsError: a file that cannot
        be read, an unknown name in any of them, a value out of bounds, values that do not fit.
        """
        known = cls.model_fields
        given = from_file(env.get(env_of(FILE_FLAG), "") if file is None else file, known)
        cls._check_types(given)
        given = given.under(from_environment(env, known)).under(from_flags(flags, known))
        given = with_secrets(given, known)
        try:
            settings = cls.model_validate(given.values)
        except ValidationError as error:
            raise SettingsError(complaint(error.errors()[0], given.values, given.sources, known)) from None
        settings._sources.update(given.sources)  # noqa: SLF001 - of its own class
        settings._loads.append(partial(cls.load, dict(flags), dict(env), file))  # noqa: SLF001 - the same
        _reject_idle_mock_options(settings, given.sources)
        return settings

    @classmethod
    def _check_types(cls, given: Given) -> None:
        """Refuse text for a number and the like: a file has types, where flags and the environment have text alone."""
        try:
            cls.model_validate(given.values, strict=True)
        except ValidationError as error:
            for fault in filter(lambda fault: fault["loc"], error.errors()):  # Others are seen when all is known.
                raise SettingsError(complaint(fault, given.values, given.sources, cls.model_fields)) from None

    def read_anew(self) -> Self:
        """The settings that the same flags and environment give now, with the files as they are now.

        Raises SettingsError as `load`.
        """
        return self._loads[0]() if self._loads else self

    def source_of(self, name: str) -> str:
        """Where a setting's value comes from: `default`, `file PATH`, `environment EARFUL_X` or `flag --x`."""
        return self._sources.get(name, "default")

    @property
    def reserved_seats(self) -> int:
        """Places beyond `max_sessions` for those who resume, a part of one counted whole."""
        return math.ceil(self.max_sessions * self.resume_reserve / 100)

    def secrets(self) -> tuple[bytes, ...]:
        """What signs cursors, the first, and what else verifies them; empty where it is to be drawn."""
        given = self.secret.get_secret_value()
        return tuple(secret.strip().encode("utf-8", "surrogatepass") for secret in given.split(",")) if given else ()

    def options_for_model(self) -> dict[str, Any]:
        """Keyword arguments for the model's constructor: `model_options`, for the mock over its `mock_*` settings."""
        own = {}
        if self.model == "mock":
            own = {name.removeprefix(_MOCK_PREFIX): getattr(self, name) for name in mock_settings()}
        return own | self.model_options

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Refuse values that are each allowed and make no sense beside each other."""
        for holds, sentence in rules_of(self):
            if not holds:
                raise ValueError(sentence)
        return self


def mock_settings() -> tuple[str, ...]:
    """The settings that only the mock model reads."""
    return tuple(name for name in Settings.model_fields if name.startswith(_MOCK_PREFIX))


def _reject_idle_mock_options(settings: Settings, sources: Mapping[str, str]) -> None:
    """Refuse settings of the mock beside another model: they would be ignored in silence."""
    for name in mock_settings():
        if settings.model != "mock" and name in sources:
            raise SettingsError(
                f"{name} is set ({sources[name]}) but only the model mock reads it, and the model is {settings.model};"
                " leave one of the two out."
            )
