"""`earful transcribe` for several recordings and for a microphone, against a real server."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from tests.e2e.test_transcribe import SETTINGS, WITHIN_S, hear, transcribing
from tests.support.server import running
from tests.support.sounds import speech, wav
from tests.support.speech import SPEECH, expected

from earful.samples import sample

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.e2e


def done(process: subprocess.Popen[str]) -> tuple[int | None, str, str]:
    """Its exit code, what it printed, and what it said."""
    out, said = process.communicate(timeout=WITHIN_S)
    return process.returncode, out, said


def test_a_folder_becomes_captions_streamed_or_uploaded(tmp_path: Path) -> None:
    """The same ones; a file that is no recording is told, and costs the exit code alone."""
    spoken = tmp_path / "spoken"
    (spoken / "deep").mkdir(parents=True)
    (spoken / "a.wav").write_bytes(sample().read_bytes())
    (spoken / "deep/b.wav").write_bytes(wav(speech(4.2)))
    (spoken / "c.wav").write_text("no music", "utf-8")
    found = {}
    with running(**SETTINGS) as server:
        for how in ("--fast", "--upload"):
            folder = tmp_path / how
            with transcribing(
                how, "--vtt", "--url", server.address.http, "--output", str(folder), str(spoken)
            ) as process:
                code, out, said = done(process)
            assert (1, "") == (code, out), said
            assert "1 of 3 recordings could not be transcribed." in said
            found[how] = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.vtt")}
    assert 2 == len(found["--fast"])
    assert found["--fast"] == found["--upload"]


def test_a_microphone_is_heard_until_it_is_interrupted(tmp_path: Path) -> None:
    """Ctrl-C in mid-sentence: `stop`, and the final that is owed."""
    (tmp_path / "a.wav").write_bytes(wav(SPEECH))
    flags = ["--mic", "--json", "--device", f"file:{tmp_path / 'a.wav'}"]
    with running(**SETTINGS) as server, transcribing(*flags, "--url", server.address.http) as process:
        heard = hear(process, "final", "partial")
        process.send_signal(signal.SIGINT)
        code, out, said = done(process)
    assert (0, "") == (code, said)
    heard += map(json.loads, out.splitlines())
    before, last = heard[-2:]
    owed = last if last["text"] else before
    assert (True, "stop", 1) == (last["last"], owed["reason"], owed["index"])
    assert owed["text"]
    assert expected(SPEECH)[0][1] == next(message["text"] for message in heard if message["type"] == "final")
