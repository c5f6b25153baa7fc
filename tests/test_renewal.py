"""Settings read anew: what changes, what stays, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.inside import Record

from earful.protocol.seal import Seal
from earful.renewal import KEPT_ALONE, KEPT_BY_ALL, read_anew, tell_access
from earful.settings import Settings, SettingsError
from earful.worker import Succession

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings are, as they are at first."""
    path = tmp_path / "earful.toml"
    path.write_text('secret = "old"\nmax_sessions = 1\nport = 1', "utf-8")
    return path


NEW = 'secret = "new"\nmax_sessions = 2\nport = 2'


def test_workers_keep_their_sockets_and_get_the_rest(file: Path) -> None:
    """The log names what was changed in vain."""
    log, settings = Record(), Settings.load({}, {}, str(file))
    file.write_text(NEW, "utf-8")
    anew = read_anew(settings, KEPT_BY_ALL, log)
    assert ((b"new",), 2, 1) == (anew.secrets(), anew.max_sessions, anew.port)
    assert ["port"] == [line["settings"] for line in log.all_of("settings need a restart")]


def test_a_server_alone_gets_its_secret(file: Path) -> None:
    """And its certificate; nothing else."""
    log, settings = Record(), Settings.load({}, {}, str(file))
    file.write_text(NEW, "utf-8")
    anew = read_anew(settings, KEPT_ALONE, log)
    assert ((b"new",), 1, 1) == (anew.secrets(), anew.max_sessions, anew.port)
    assert ["max_sessions, port"] == [line["settings"] for line in log.all_of("settings need a restart")]


def test_nothing_is_said_where_nothing_changed(file: Path) -> None:
    """Nor does it change."""
    log, settings = Record(), Settings.load({}, {}, str(file))
    assert settings.model_dump() == read_anew(settings, KEPT_BY_ALL, log).model_dump()
    assert [] == log.events


@pytest.mark.parametrize("text", ["max_sessions = 0", 'store = "redis://:hush@"', "="])
def test_what_cannot_be_used_is_one_sentence(file: Path, text: str) -> None:
    """Without secrets."""
    settings = Settings.load({}, {}, str(file))
    file.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        read_anew(settings, KEPT_BY_ALL, Record())
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("kept", [KEPT_ALONE, KEPT_BY_ALL])
@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ('auth = "static"\nauth_options = {file = "keys"}', "", "auth would be none"),
        ('auth = "static"\nauth_options = {file = "keys"}', 'auth = "none"', "auth would be none"),
        ('secret = "hush"', "", "secret would be gone"),
    ],
)
def test_nothing_that_is_closed_is_opened(file: Path, first: str, then: str, why: str, kept: frozenset[str]) -> None:
    """By a file that is empty for as long as it is being written, say."""
    file.write_text(first, "utf-8")
    settings = Settings.load({}, {}, str(file))
    file.write_text(then, "utf-8")
    with pytest.raises(SettingsError, match=why):
        read_anew(settings, kept, Record())


def test_what_a_sighup_has_closed_the_next_does_not_open(file: Path) -> None:
    """Nor the one after it: what counts are the settings in force, not those of the start."""
    file.write_text("", "utf-8")
    log = Record()
    succession = Succession(Settings.load({}, {}, str(file)), Seal([b"drawn"]), log)
    file.write_text('auth = "static"\nauth_options = {file = "keys"}', "utf-8")
    assert succession.work_anew() is not None
    assert ["auth, auth_options"] == [line["settings"] for line in log.all_of("access settings changed")]
    file.write_text("", "utf-8")
    assert [None, None] == [succession.work_anew(), succession.work_anew()]
    assert 2 == len(log.all_of("settings not read anew"))


def test_other_settings_of_access_may_change(file: Path) -> None:
    """Which the log says as a warning."""
    log, settings = Record(), Settings.load({}, {}, str(file))
    file.write_text('secret = "old"\nallowed_origins = "https://a.org"', "utf-8")
    tell_access(settings, read_anew(settings, KEPT_BY_ALL, Record()), log)
    assert [("warning", "allowed_origins")] == [(line["level"], line["settings"]) for line in log.events]
