"""Settings: where they come from, what they accept, and what is said when they cannot be used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from earful.bounds import allowed_values
from earful.settings import Settings, SettingsError, env_of, flag_of, mock_settings
from earful.settings_sources import nearest


def sentence(flags: dict[str, object] | None = None, env: dict[str, str] | None = None) -> str:
    """Load what cannot be loaded; give what is said."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(flags or {}, env or {})
    return str(caught.value)


def test_defaults_are_those_of_the_plan() -> None:
    """Nothing given is the plan's table."""
    settings = Settings.load({}, {})
    assert ("127.0.0.1", 8000, "fast", "mock") == (settings.host, settings.port, settings.transport, settings.model)
    assert (600, 200, 200, 3, 5) == (
        settings.endpoint_silence_ms,
        settings.pre_roll_ms,
        settings.hangover_ms,
        settings.onset_frames,
        settings.onset_window,
    )
    assert 1 << 20 == settings.max_message_bytes == settings.max_unsent_bytes


def test_flags_win_over_the_environment_and_it_over_defaults() -> None:
    """The nearer to whoever starts the server, the stronger."""
    settings = Settings.load({"port": "1"}, {"EARFUL_PORT": "2", "EARFUL_MAX_SESSIONS": "7", "PATH": "/"})
    assert (1, 7) == (settings.port, settings.max_sessions)
    assert "flag --port" == settings.source_of("port")
    assert "environment EARFUL_MAX_SESSIONS" == settings.source_of("max_sessions")
    assert "default" == settings.source_of("host")


def test_they_are_frozen() -> None:
    """What was read once stays."""
    with pytest.raises(ValidationError):
        Settings.load({}, {}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("port", "x", "a whole number from 0 to 65535"),
        ("port", "65536", "a whole number from 0 to 65535"),
        ("mock_error_rate", "1.01", "a number from 0 to 1"),
        ("max_upload_mb", "0", "a number above 0, up to 100000"),
        ("max_speed", "nan", "a number from 0 to 1000"),
        ("max_speed", "inf", "a number from 0 to 1000"),
        ("vad_frame_ms", "25", "10, 20 or 30"),
        ("vad_frame_ms", "twenty", "10, 20 or 30"),
        ("transport", "quick", "fast or asgi"),
        ("log_level", "loud", "debug, info, warning or error"),
        ("host", "", "text that is not empty"),
    ],
)
def test_a_value_out_of_bounds_is_one_sentence(name: str, value: str, allowed: str) -> None:
    """It says which setting, from where, and what is allowed."""
    assert f"{name} is {value!r} (flag {flag_of(name)}); it must be {allowed}." == sentence({name: value})
    assert f"{name} is {value!r} (environment {env_of(name)}); it must be {allowed}." == sentence(
        {}, {env_of(name): value}
    )


@pytest.mark.parametrize("value", ["{", "[1]", '{"api_key": "hush"'])
def test_options_that_are_none_are_not_told(value: str) -> None:
    """A key of somebody's may be among them."""
    assert "model_options is set (flag --model-options); it must be a JSON object." == sentence(
        {"model_options": value}
    )


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"onset_frames": 6}, "onset_frames must not be larger than onset_window (flag --onset-frames)"),
        (
            {"onset_window": 15, "vad_frame_ms": 30},
            (
                "onset_window times vad_frame_ms must not be longer than 400 ms"
                " (flag --onset-window and flag --vad-frame-ms)"
            ),
        ),
        ({"tls_key": "key.pem"}, "tls_key is nothing without tls_cert (flag --tls-key)"),
        ({"hangover_ms": 600}, "hangover_ms must be smaller than endpoint_silence_ms (flag --hangover-ms)"),
        (
            {"max_utterance_s": 1, "pre_roll_ms": 500},
            (
                "max_utterance_s must be longer than pre_roll_ms and endpoint_silence_ms together"
                " (flag --max-utterance-s and flag --pre-roll-ms)"
            ),
        ),
        *(
            (
                {"port": 9001, "ops_port": 9000, "workers": 2, **hosts},
                (
                    "port must be neither ops_port nor one of those that follow it for more workers"
                    " (flag --port and flag --ops-port and flag --workers)"
                ),
            )
            for hosts in ({}, {"host": "0.0.0.0"}, {"host": "10.0.0.1", "ops_host": "::"})  # noqa: S104 - not bound
        ),
    ],
)
def test_values_that_do_not_fit_together_are_one_sentence(flags: dict[str, object], reason: str) -> None:
    """Each value alone is allowed; the sentence names the ones that were set."""
    assert f"The settings do not fit together: {reason}." == sentence(flags)


@pytest.mark.parametrize(
    "flags",
    [
        {"port": 9000, "ops_port": 9000, "host": "10.0.0.1"},
        {"port": 9001, "ops_port": 9000},
        {"port": 8999, "ops_port": 9000},
        {"port": 0, "ops_port": 0},
        {"port": 9000, "ops_port": 9000, "uds": "s"},
    ],
)
def test_ports_that_do_not_meet_fit(flags: dict[str, object]) -> None:
    """On two addresses, beside each other, or found by the system."""
    assert flags["port"] == Settings.load(flags, {}).port


@pytest.mark.parametrize(
    ("given", "secrets"),
    [
        (None, ()),
        ("", ()),
        ("one", (b"one",)),
        ("new, old,older ", (b"new", b"old", b"older")),
        ("\N{SNOWMAN}\udc80", (b"\xe2\x98\x83\xed\xb2\x80",)),
    ],
)
def test_the_secret_may_be_several(given: str | None, secrets: tuple[bytes, ...]) -> None:
    """The first is the one to sign with; none is to be drawn."""
    assert secrets == Settings.load({} if given is None else {"secret": given}, {}).secrets()


@pytest.mark.parametrize("given", ["hush,", ",hush", "hush,,hush", " ", "hush, "])
def test_an_empty_secret_among_others_is_refused(given: str) -> None:
    """It could be guessed."""
    wanted = "secret must not be empty before, between or behind its commas (environment EARFUL_SECRET)"
    assert f"The settings do not fit together: {wanted}." == sentence({}, {"EARFUL_SECRET": given})


def test_the_secret_is_never_shown() -> None:
    """Neither whole nor in part, neither where it is used nor where it cannot be."""
    settings = Settings.load({"secret": "hush,hush-hush"}, {})
    assert "hush" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert "secret is set (flag --secret); it must be text." == sentence({"secret": 5})


def test_defaults_that_do_not_fit_together_are_nobodys_fault() -> None:
    """Built by hand, without sources, the same rule holds."""
    with pytest.raises(ValidationError, match="onset_frames"):
        Settings(onset_frames=6)


def test_an_unknown_variable_names_the_nearest() -> None:
    """A typing error in the environment is not ignored."""
    wanted = (
        "The environment variable EARFUL_MAX_SESSION is not a setting of earful; the nearest is EARFUL_MAX_SESSIONS."
    )
    assert wanted == sentence({}, {"EARFUL_MAX_SESSION": "1"})


def test_an_unknown_variable_like_none_points_at_the_list() -> None:
    """Where nothing is near, nothing is guessed."""
    wanted = "The environment variable EARFUL_XYZZY is not a setting of earful; `earful config` lists them all."
    assert wanted == sentence({}, {"EARFUL_XYZZY": "1"})


def test_an_unknown_flag_names_the_nearest() -> None:
    """The same for flags."""
    assert "The flag --prt is not a setting of earful; the nearest is --port." == sentence({"prt": "1"})
    assert "the nearest is --max-sessions" == nearest("max_session", Settings.model_fields, flag_of)


def test_the_mock_gets_its_settings_under_the_models_names() -> None:
    """`model_options` win over the `mock_*` settings."""
    settings = Settings.load({"mock_latency_ms": "5", "model_options": '{"error_rate": 0.5}'}, {})
    wanted = {"latency_ms": 5, "words_per_chunk": 2, "error_rate": 0.5, "batch_ms": 0, "item_ms": 0}
    assert wanted == settings.options_for_model()


def test_another_model_gets_its_options_alone() -> None:
    """Nothing of the mock's reaches it."""
    settings = Settings.load({"model": "a:B", "model_options": {"beam": 4}}, {})
    assert {"beam": 4} == settings.options_for_model()


def test_a_mock_setting_beside_another_model_is_refused() -> None:
    """Nothing is ignored in silence."""
    wanted = (
        "mock_latency_ms is set (environment EARFUL_MOCK_LATENCY_MS) but only the model mock reads it,"
        " and the model is a:B; leave one of the two out."
    )
    assert wanted == sentence({"model": "a:B"}, {"EARFUL_MOCK_LATENCY_MS": "3"})
    assert (
        "mock_latency_ms",
        "mock_words_per_chunk",
        "mock_error_rate",
        "mock_batch_ms",
        "mock_item_ms",
    ) == mock_settings()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_and_bounded(name: str) -> None:
    """A sentence for people, a bound for every number."""
    field = Settings.model_fields[name]
    assert (field.description or "").endswith(".")
    if field.annotation in {int, float}:
        assert " to " in allowed_values(field)


@given(st.sampled_from(list(Settings.model_fields)), st.text(max_size=20))
def test_any_text_is_a_value_or_a_sentence(name: str, text: str) -> None:
    """No text from the environment gives another exception."""
    said = None
    try:
        Settings.load({}, {env_of(name): text})
    except SettingsError as error:
        said = str(error)
    assert said is None or (said.isprintable() and said.endswith("."))
