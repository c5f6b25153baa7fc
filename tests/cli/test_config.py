"""`earful config`: every setting, its value, and where it came from."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from earful.cli.config import config
from earful.cli.settings_page import settings_page
from earful.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting in the environment."""
    monkeypatch.setenv("EARFUL_MAX_SESSIONS", "7")


def test_lines_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    """One a setting, plain."""
    assert 0 == config(["--port", "9", "--model-options", '{"a": 1}'])
    lines = capsys.readouterr().out.splitlines()
    assert len(Settings.model_fields) == len(lines)
    assert "port = 9  # flag --port" in lines
    assert "max_sessions = 7  # environment EARFUL_MAX_SESSIONS" in lines
    assert "idle_timeout_s = 60  # default" in lines
    assert 'model_options = {"a": 1}  # flag --model-options' in lines


def test_an_object_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    """Values keep their types."""
    assert 0 == config(["--json"])
    tree = json.loads(capsys.readouterr().out)
    assert {"value": 7, "source": "environment EARFUL_MAX_SESSIONS"} == tree["max_sessions"]
    assert list(Settings.model_fields) == list(tree)


def test_a_table_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With what each setting is."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert 0 == config([])
    shown = capsys.readouterr().out
    assert "environment EARFUL_MAX_SESSIONS" in shown
    assert "TCP port to listen on" in shown


@pytest.mark.parametrize(("arguments", "is_terminal"), [([], False), (["--json"], False), ([], True)])
def test_a_secret_is_not_shown(
    arguments: list[str],
    is_terminal: bool,  # noqa: FBT001 - parameter
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only that there is one, and where it came from."""
    monkeypatch.setenv("EARFUL_SECRET", "hush,hush-hush")
    monkeypatch.setenv("EARFUL_STORE", "redis://:hush@localhost:6379/0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert 0 == config(arguments)
    shown = capsys.readouterr()
    assert "hush" not in shown.out + shown.err
    assert "**********" in shown.out


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("of", [("--auth", "--auth-options"), ("--model", "--model-options")])
def test_secrets_among_options_are_not_shown(
    of: tuple[str, str], form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever has the name of a secret, all that lies below one, and what gives an address away; the rest is."""
    named = ["api_key", "client_secret", "pass", "db-pass", "passphrase", "pwd", "bearer", "private", "dsn", "creds"]
    named += ["keys", "apikeys", "signing_key_b64", "cookie", "connection"]
    options = {
        **dict.fromkeys(named, "hush"),
        "deep": {"Tokens": ["hush", 4711], "keyboard": "en"},
        "credentials": {"user": "hush", "list": [{"x": "hush"}]},
        "headers": {"x-api": "hush"},
        "url": "postgres://reader:hu@hush@db/speech",
        "urls": ["https://files/a?v=2&sig=hush", "https://files/a?access_token=hush#part", "//hush@db"],
        "beam": 5,
        "bypass": "none",
    }
    name, flag = of
    assert 0 == config([name, "a:B", flag, json.dumps(options), *form])
    shown = capsys.readouterr().out
    assert not any(word in shown for word in ("hush", "4711"))
    assert all(
        word in shown for word in (*named, '"en"', "@db/speech", "v=2", "#part", '"beam": 5', '"bypass": "none"')
    )


def test_a_date_among_options_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TOML has them."""
    file = tmp_path / "earful.toml"
    file.write_text('model = "a:B"\n[model_options]\nwhen = 2026-01-01\n', "utf-8")
    assert 0 == config(["--config", str(file)])
    assert '"when": "2026-01-01"' in capsys.readouterr().out


def test_the_page_is_the_same_whatever_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    """It is about settings, not about these."""
    assert 0 == config(["--markdown", "--port", "9"])
    shown = capsys.readouterr().out
    assert settings_page() == shown
    assert "| `port` | `--port` | `EARFUL_PORT` | a whole number from 0 to 65535 | `8000` | TCP port to" in shown


def test_a_flag_it_does_not_know_leads_to_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Not to the command that was just refused."""
    assert 2 == config(["--bogus"])
    said = "earful: --bogus is not a flag of `earful config`; `earful config --help` lists the flags.\n"
    assert said == capsys.readouterr().err


def test_what_would_not_start_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The same sentence and code as `earful serve`."""
    assert 2 == config(["--port", "x"])
    assert "earful: port is 'x'" in capsys.readouterr().err
