"""`earful top`: one frame for a pipe, and many in a real terminal until Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from io import StringIO
from typing import TYPE_CHECKING, Self

from rich.console import Console
from tests.cli.test_fleet import ANSWERS
from tests.support.answering import answering
from tests.support.server import PATHS, await_true

from earful.cli.top import top

if TYPE_CHECKING:
    import pytest


def test_a_pipe_gets_one_frame(capsys: pytest.CaptureFixture[str]) -> None:
    """Wide enough for all columns; 0 where any address answers, 1 where none does."""
    with answering(ANSWERS) as url:
        assert 0 == top([url, "127.0.0.1:1"], once=False, most_sessions=5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["service", "status", "version"]
    assert any(line.startswith("a ") and "pcm_s16le 16k" in line for line in lines)
    assert 1 == top(["127.0.0.1:1"], once=True, most_sessions=5)


def test_once_is_one_frame_on_a_terminal_too() -> None:
    """Without taking the screen."""
    file = StringIO()
    with answering(ANSWERS) as url:
        assert 0 == top([url], once=True, most_sessions=5, console=Console(file=file, force_terminal=True, width=200))
    assert "\x1b[?1049h" not in file.getvalue()


def test_a_terminal_shows_frames_until_it_is_told_to_stop() -> None:
    """A service that goes away is shown as that, and the terminal is left as it was."""
    answers = dict(ANSWERS)
    with answering(answers) as url, Screen("top", "--url", url) as screen:
        await_true(lambda: "pcm_s16le" in screen.text)
        answers.clear()
        await_true(lambda: "away" in screen.text)
        screen.process.send_signal(signal.SIGINT)
        assert 0 == screen.process.wait(30)
    assert "\x1b[?1049h" in screen.text
    assert "Traceback" not in screen.text
    assert screen.text.rindex("\x1b[?1049l") > screen.text.rindex("\x1b[?1049h")


class Screen:
    """A command at a terminal of its own, and all that it wrote there."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "COLUMNS": "160", "TERM": "xterm"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "earful", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self.text = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(30)
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # Nobody holds the other end any more.
                return
            self.text += data.decode(errors="replace")
