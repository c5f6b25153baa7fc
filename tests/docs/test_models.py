"""The page about bringing a model: its ten lines are a stranger's model, run as a stranger would."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import ROOT, blocks
from tests.support.server import WITHIN_S, LogLines
from tests.support.sounds import speech, wav

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "models.md"
MOST_LINES = 15


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The installed earful, from a folder that holds the model and nothing else; its port."""
    earful = Path(sys.executable).with_name("earful")
    process = subprocess.Popen(
        [str(earful), "serve", "--model", "seconds:Seconds", "--port", "0", "--log-format", "json"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    log = LogLines(process.stderr)
    try:
        port = log.wait_for("starting")["port"]
        log.wait_for("ready")
        yield port
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(WITHIN_S), log.text
    finally:
        process.kill()
        process.wait()


@pytest.mark.e2e
def test_the_ten_lines_are_a_model(tmp_path: Path) -> None:
    """In a fresh folder, with what is installed and not the checkout; no other file is touched."""
    snippet = blocks(PAGE, "python")[0]
    assert len([line for line in snippet.splitlines() if line.strip()]) <= MOST_LINES
    (tmp_path / "seconds.py").write_text(snippet, "utf-8")
    with serving(tmp_path) as port, contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, 30)) as ask:
        ask.request("POST", "/v1/transcribe", wav(speech(4.0)), {"Content-Type": "audio/wav"})
        answer = ask.getresponse()
        text = json.loads(answer.read())["text"]
    assert 200 == answer.status
    assert text.endswith("seconds of speech")
    assert 2.5 < float(text.split()[0]) < 4
    assert {"seconds.py", "__pycache__"} == {path.name for path in tmp_path.iterdir()} | {"__pycache__"}


def test_the_snippets_compile() -> None:
    """Each is Python."""
    for snippet in blocks(PAGE, "python"):
        compile(snippet, str(PAGE), "exec")
