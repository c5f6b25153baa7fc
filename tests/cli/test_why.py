"""`earful why`: what it prints, piped and on a terminal, over real sockets."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING

from tests.cli.test_inquiry import PATH, SESSION, told
from tests.support.answering import answering

from earful.cli.why import why

if TYPE_CHECKING:
    import pytest


class Terminal(StringIO):
    """Looks like one."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_a_story_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The session, its events, an empty line, the reason."""
    with answering({PATH: told("one", "session connected", "session ended")}) as url:
        assert 0 == why(SESSION, [url])
    lines = capsys.readouterr().out.splitlines()
    assert "Session a/b, times in UTC" == lines[0]
    assert lines[2].endswith("+0.000 s  A client connected.")
    assert lines[3].endswith("+1.000 s  The session ended: stop.")
    assert ["Why it ended: It ended for the reason stop.", "What to do: Nothing needs doing."] == lines[5:]


def test_on_a_terminal_words_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a line stands below its words."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    with answering({PATH: told("one", "session connected", "session ended")}) as url:
        assert 0 == why(SESSION, [url])
    assert [
        "22:23:12.123     +1.000 s  The session",
        "                           ended: stop.",
        "",
        "Why it ended: It ended for the reason",
        "stop.",
        "What to do: Nothing needs doing.",
    ] == terminal.getvalue().splitlines()[-6:]


def test_without_any_event_the_outcome_is_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the session."""
    with answering({PATH: told("one")}) as url:
        assert 0 == why(SESSION, [url])
    assert "Session a/b, times in UTC\n\nNothing is remembered of it any more.\n" == capsys.readouterr().out


def test_nobody_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Why that may be; 1. Also where nobody answers."""
    with answering({"/v1/workers": {"worker": "one", "workers": []}}) as url:
        assert 1 == why(SESSION, [url, "127.0.0.1:1"])
    first, second = capsys.readouterr().err.splitlines()
    assert f"earful: Nothing answers at http://127.0.0.1:1{PATH}; is the worker running?" == first
    assert second.startswith(
        f"earful: Nothing is known of it at {url}: it never was there, it ended more than 15 minutes ago, or"
    )
    assert 1 == why(SESSION, ["127.0.0.1:1"])
    assert 1 == len(capsys.readouterr().err.splitlines())
