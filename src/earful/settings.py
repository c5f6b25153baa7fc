"""Every setting of the server: one frozen tree, read once, flags over `EARFUL_*` over defaults.

Guarantees that each value is inside its bounds and that the values fit together; whatever is wrong
is one sentence (`SettingsError`). Read by the command line and `app.py`. Plain pydantic, which FastAPI
imports anyway: pydantic-settings knows neither sources nor unknown names, and costs 50 ms of the start.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from earful.bounds import complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

ENV_PREFIX = "EARFUL_"
_MOCK_PREFIX = "mock_"
_LONGEST_ONSET_MS = 400
_LAST_PORT = 65535
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class SettingsError(Exception):
    """A setting cannot be used; the text is one sentence for whoever started the server."""


def flag_of(name: str) -> str:
    """The command-line flag of a setting: `max_sessions` is `--max-sessions`."""
    return "--" + name.replace("_", "-")


def env_of(name: str) -> str:
    """The environment variable of a setting: `max_sessions` is `EARFUL_MAX_SESSIONS`."""
    return ENV_PREFIX + name.upper()


def _number(value: object) -> object:
    """Text as a whole number where it is one: `Literal` compares without converting."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _json(value: object) -> object:
    """Text as JSON; anything else as it is."""
    return json.loads(value) if isinstance(value, str) else value


class Settings(BaseModel, frozen=True):
    """The settings of one server. Use `load`, which says in one sentence what is wrong."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
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
    model_options: Annotated[dict[str, Any], BeforeValidator(_json)] = Field(
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

    @classmethod
    def load(cls, flags: Mapping[str, object], env: Mapping[str, str]) -> Self:
        """The settings that `flags` (by setting name; only those given) and the environment ask for.

        Raises SettingsError: an unknown flag or `EARFUL_*` name, a value out of bounds, values that do not fit.
        """
        given, sources = _environment(env, cls.model_fields)
        _reject_unknown(flags, cls.model_fields)
        given |= flags
        sources |= {name: f"flag {flag_of(name)}" for name in flags}
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(complaint(error.errors()[0], given, sources, cls.model_fields)) from None
        settings._sources.update(sources)  # noqa: SLF001 - of its own class
        _reject_idle_mock_options(settings, sources)
        return settings

    def source_of(self, name: str) -> str:
        """Where a setting's value comes from: `default`, `environment EARFUL_X` or `flag --x`."""
        return self._sources.get(name, "default")

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
        for holds, sentence in (
            (self.onset_frames <= self.onset_window, "onset_frames must not be larger than onset_window"),
            (
                self.onset_window * self.vad_frame_ms <= _LONGEST_ONSET_MS,
                f"onset_window times vad_frame_ms must not be longer than {_LONGEST_ONSET_MS} ms",
            ),
            (self.hangover_ms < self.endpoint_silence_ms, "hangover_ms must be smaller than endpoint_silence_ms"),
            (
                self.max_utterance_s * 1000 > self.pre_roll_ms + self.endpoint_silence_ms,
                "max_utterance_s must be longer than pre_roll_ms and endpoint_silence_ms together",
            ),
            (
                (self.ops_port or 0) + self.workers - 1 <= _LAST_PORT,
                f"ops_port and one more for each of the workers must not be above {_LAST_PORT}",
            ),
            (not self._ports_meet(), "port must be neither ops_port nor one of those that follow it for more workers"),
            (all(self.secrets()), "secret must not be empty before, between or behind its commas"),
        ):
            if not holds:
                raise ValueError(sentence)
        return self

    def _ports_meet(self) -> bool:
        """Whether one address would be asked for twice; where a name hides that, listening finds it out."""
        hosts = {self.host, self.ops_host}
        return (
            bool(self.ops_port and 0 <= self.port - self.ops_port < self.workers)
            and self.port > 0
            and (len(hosts) == 1 or not hosts.isdisjoint(_EVERYWHERE))
        )


def mock_settings() -> tuple[str, ...]:
    """The settings that only the mock model reads."""
    return tuple(name for name in Settings.model_fields if name.startswith(_MOCK_PREFIX))


def _environment(env: Mapping[str, str], known: Mapping[str, FieldInfo]) -> tuple[dict[str, object], dict[str, str]]:
    """Values and sources of the settings in the environment."""
    names = {env_of(name): name for name in known}
    given = {variable: value for variable, value in env.items() if variable.startswith(ENV_PREFIX)}
    for variable in sorted(given.keys() - names.keys()):
        meant = nearest(variable.removeprefix(ENV_PREFIX).lower(), env_of)
        raise SettingsError(f"The environment variable {variable} is not a setting of earful; {meant}.")
    values: dict[str, object] = {names[variable]: value for variable, value in given.items()}
    return values, {names[variable]: f"environment {variable}" for variable in given}


def _reject_unknown(flags: Mapping[str, object], known: Mapping[str, FieldInfo]) -> None:
    """Refuse a flag that is no setting."""
    for name in sorted(flags.keys() - known.keys()):
        raise SettingsError(f"The flag {flag_of(name)} is not a setting of earful; {nearest(name, flag_of)}.")


def nearest(name: str, spell: Callable[[str], str]) -> str:
    """Which setting was probably meant, spelled as the flag or the variable; else where to find the list."""
    found = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"the nearest is {spell(found[0])}" if found else "`earful config` lists them all"


def _reject_idle_mock_options(settings: Settings, sources: Mapping[str, str]) -> None:
    """Refuse settings of the mock beside another model: they would be ignored in silence."""
    for name in mock_settings():
        if settings.model != "mock" and name in sources:
            raise SettingsError(
                f"{name} is set ({sources[name]}) but only the model mock reads it, and the model is {settings.model};"
                " leave one of the two out."
            )
