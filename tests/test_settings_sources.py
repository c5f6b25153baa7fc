"""Settings from a file, and secrets from files of their own: precedence, and one sentence for what cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def load(path: Path, text: str = "", env: dict[str, str] | None = None, **flags: object) -> Settings:
    """The settings of a file with this text, under environment and flags."""
    path.write_text(text, "utf-8", errors="surrogateescape")
    return Settings.load(flags, env or {}, str(path))


def sentence(path: Path, text: str, env: dict[str, str] | None = None, **flags: object) -> str:
    """What is said of a file that cannot be used, with FILE for its path."""
    with pytest.raises(SettingsError) as caught:
        load(path, text, env, **flags)
    return str(caught.value).replace(str(path), "FILE").replace(str(path.parent), "DIRECTORY")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings are."""
    return tmp_path / "earful.toml"


def test_flags_win_over_the_environment_and_it_over_the_file(file: Path) -> None:
    """The nearer to whoever starts the server, the stronger; each says where it comes from."""
    text = 'host = "file"\nport = 1\nworkers = 2\n'
    settings = load(file, text, {"EARFUL_PORT": "3", "EARFUL_WORKERS": "4"}, workers="5")
    assert ("file", 3, 5, 2000) == (settings.host, settings.port, settings.workers, settings.max_sessions)
    names = ("host", "port", "workers", "max_sessions")
    wanted = [f"file {file}", "environment EARFUL_PORT", "flag --workers", "default"]
    assert wanted == [settings.source_of(name) for name in names]


def test_the_environment_names_the_file_where_no_flag_does(file: Path) -> None:
    """`EARFUL_CONFIG`; empty is none, and so is an empty flag."""
    file.write_text("port = 1", "utf-8")
    env = {"EARFUL_CONFIG": str(file)}
    assert 1 == Settings.load({}, env).port
    assert 8000 == Settings.load({}, {"EARFUL_CONFIG": ""}).port == Settings.load({}, env, "").port


def test_a_number_may_stand_for_a_word_of_digits(file: Path) -> None:
    """As the page of settings writes it; another is refused as ever."""
    assert "600" == load(file, "uds_mode = 600").uds_mode
    with pytest.raises(SettingsError, match="it must be 600, 660 or 666"):
        load(file, "uds_mode = 640")


def test_options_of_the_model_are_a_table(file: Path) -> None:
    """With types of its own."""
    options = {"beam": 5, "path": "/m", "deep": {"a": [1]}}
    text = 'model = "a:B"\n[model_options]\nbeam = 5\npath = "/m"\ndeep = {a = [1]}'
    assert options == load(file, text).options_for_model()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prt = 1", "The file FILE has 'prt', which is not a setting of earful; the nearest is port."),
        ("[server]\nport = 1", "The file FILE has 'server', which is not a setting of earful; the nearest is secret."),
        ("xyzzy = 1", "The file FILE has 'xyzzy', which is not a setting of earful; `earful config` lists them all."),
        ('port = "1"', "port is '1' (file FILE); it must be a whole number from 0 to 65535."),
        ("port = true", "port is True (file FILE); it must be a whole number from 0 to 65535."),
        ("port = 70000", "port is 70000 (file FILE); it must be a whole number from 0 to 65535."),
        ("log_text = 1", "log_text is 1 (file FILE); it must be true or false."),
        ("max_speed = nan", "max_speed is nan (file FILE); it must be a number from 0 to 1000."),
        ("host = 5", "host is 5 (file FILE); it must be text that is not empty."),
        ("secret = 5", "secret is set (file FILE); it must be text."),
        ("model_options = [1]", "model_options is set (file FILE); it must be a JSON object."),
        ("port = =", "The file FILE is not TOML: Invalid value (at line 1, column 8)."),
        ("\udcff", "The file FILE is not TOML: it is not UTF-8."),
        (
            "onset_frames = 6",
            "The settings do not fit together: onset_frames must not be larger than onset_window (file FILE).",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence(file: Path, text: str, said: str) -> None:
    """It names the file and the key, and says what is allowed."""
    assert said == sentence(file, text)


def test_what_the_file_alone_would_not_fit_may_fit_with_the_rest(file: Path) -> None:
    """Values are looked at together when all are known."""
    assert 6 == load(file, "onset_frames = 6", onset_window=7).onset_frames


@pytest.mark.parametrize(("path", "why"), [("gone.toml", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, path: str, why: str) -> None:
    """With the reason."""
    whole = str(tmp_path / path)
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, {}, whole)
    assert f"The file {whole!r} with the settings cannot be read: {why}." == str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_settings_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No file gives another exception."""
    said = None
    try:
        load(tmp_path_factory.getbasetemp() / "any.toml", text)
    except SettingsError as error:
        said = str(error)
    assert said is None or said.endswith(".")


# Secrets in files of their own


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """Without the blanks around it; so may the store's URL, which may have a password."""
    (tmp_path / "secret").write_bytes(b" new,old\n")
    (tmp_path / "store").write_text("redis://:hush@a:1/0\n", "utf-8")
    env = {"EARFUL_SECRET_FILE": str(tmp_path / "secret"), "EARFUL_STORE_FILE": str(tmp_path / "store")}
    settings = Settings.load({}, env)
    assert (b"new", b"old") == settings.secrets()
    assert "redis://:hush@a:1/0" == settings.store.get_secret_value()
    assert f"file {tmp_path / 'secret'}" == settings.source_of("secret")
    assert "hush" not in repr(settings)


def test_bytes_that_are_no_text_are_a_secret_too(tmp_path: Path) -> None:
    """The same as in the environment."""
    (tmp_path / "secret").write_bytes(b"\xff\x01")
    from_file = Settings.load({"secret_file": str(tmp_path / "secret")}, {}).secrets()
    assert from_file == Settings.load({"secret": "\udcff\x01"}, {}).secrets()


@pytest.mark.parametrize(
    ("content", "env", "said"),
    [
        (None, {}, "secret_file is 'FILE' (flag --secret-file), which cannot be read: No such file or directory."),
        ("\n", {}, "secret_file is 'FILE' (flag --secret-file), which holds nothing."),
        (
            "hush",
            {"EARFUL_SECRET": "hush-hush"},
            "secret is set (environment EARFUL_SECRET), and so is secret_file (flag --secret-file); leave one out.",
        ),
        (
            "hush,,hush",
            {},
            (
                "The settings do not fit together: secret must not be empty before, between or behind its commas"
                " (file FILE)."
            ),
        ),
    ],
)
def test_a_secret_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, content: str | None, env: dict[str, str], said: str
) -> None:
    """Without the secret."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(SettingsError) as caught:
        Settings.load({"secret_file": str(file)}, env)
    assert said == str(caught.value).replace(str(file), "FILE")


def test_reading_anew_takes_the_files_as_they_are_now(tmp_path: Path, file: Path) -> None:
    """The same flags and environment over both files; what was read once stays what it is."""
    secret = tmp_path / "secret"
    secret.write_text("old", "utf-8")
    settings = load(file, "max_sessions = 1", {"EARFUL_SECRET_FILE": str(secret)}, port=7)
    file.write_text("max_sessions = 2\nport = 9", "utf-8")
    secret.write_text("new,old", "utf-8")
    anew = settings.read_anew()
    assert (2, 7, (b"new", b"old")) == (anew.max_sessions, anew.port, anew.secrets())
    assert (1, 7, (b"old",)) == (settings.max_sessions, settings.port, settings.secrets())
    file.write_text("max_sessions = 0", "utf-8")
    with pytest.raises(SettingsError, match="max_sessions is 0"):
        anew.read_anew()


def test_what_was_not_loaded_cannot_be_read_anew() -> None:
    """Settings made by hand come from nowhere."""
    settings = Settings(port=5)
    assert settings.read_anew() is settings
