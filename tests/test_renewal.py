"""Settings read anew: what changes, what stays, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.inside import Record

from earful.renewal import KEPT_ALONE, KEPT_BY_ALL, read_anew
from earful.settings import Settings, SettingsError

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
