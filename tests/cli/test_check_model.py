"""`earful check-model`: a report, JSON, and an exit code that says whether the contract is kept."""

from __future__ import annotations

import json
from importlib.resources import as_file
from typing import TYPE_CHECKING

import pytest
from tests.support.sounds import speech, wav

from earful.cli.check_model import check_model
from earful.samples import sample

if TYPE_CHECKING:
    from pathlib import Path

SHY = """
from earful.models.mock import MockASRModel
from earful.models.types import TranscriptResult

class Shy(MockASRModel):
    async def finalize(self):
        return TranscriptResult((await super().finalize()).text, is_final=False)
"""

GONE = """
import os
from earful.models.mock import MockASRModel

class Gone(MockASRModel):
    async def finalize(self):
        os._exit(0)
"""


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """Two seconds of speech."""
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(speech(2.0)))
    return str(path)


def test_a_sound_model_is_reported(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Promise by promise, with what it costs and how many sessions that makes."""
    assert 0 == check_model("mock", file=recording, options='{"batch_ms": 5}', as_json=False)
    out = capsys.readouterr().out
    assert "contract of mock\n  kept    answers are transcripts\n" in out
    for name in ("load", "alone", "a session", "event loop", "together", "batch gain", "max_sessions"):
        assert f"\n{name} " in out
    assert "BROKEN" not in out


def test_machines_read_json(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One object."""
    assert 0 == check_model("mock", file=recording, options='{"batch_ms": 5}', as_json=True)
    tree = json.loads(capsys.readouterr().out)
    assert (True, "mock", 0, 6) == (tree["is_kept"], tree["model"], tree["failures"], len(tree["contract"]))
    assert {"kept"} == set(tree["contract"].values())
    assert tree["max_sessions"] > 0
    assert tree["batch_gain"] >= 1


def test_a_broken_contract_is_exit_code_1(
    recording: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says what was broken."""
    (tmp_path / "shy_model.py").write_text(SHY)
    monkeypatch.chdir(tmp_path)
    assert 1 == check_model("shy_model:Shy", file=recording, options='{"latency_ms": 1}', as_json=False)
    assert "BROKEN  answers are transcripts: the end answered is_final False" in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [False, True])
def test_calls_that_fail_are_exit_code_1(recording: str, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    """Nothing is said of a speed that nobody saw."""
    assert 1 == check_model("mock", file=recording, options='{"error_rate": 1, "latency_ms": 1}', as_json=as_json)
    out = capsys.readouterr().out
    if as_json:
        tree = json.loads(out)
        assert (None, None, 0, 10) == tuple(
            tree[name] for name in ("real_time_factor", "cpu_factor", "max_sessions", "failures")
        )
    else:
        assert "alone         nothing was heard: not one call went well" in out
        assert "max_sessions  0 of those who always speak" in out
        assert "failed        10 calls while it was measured" in out


def test_a_model_that_ends_its_process_is_exit_code_1(
    recording: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it says of itself."""
    (tmp_path / "gone_model.py").write_text(GONE)
    monkeypatch.chdir(tmp_path)
    assert 1 == check_model("gone_model:Gone", file=recording, options="{}", as_json=True)
    assert ("", True) == ((told := capsys.readouterr()).out, "was tried: exit code 0" in told.err)


@pytest.mark.parametrize(
    ("model", "file", "options", "sentence"),
    [
        ("nothing", "", "{}", 'There is no model "nothing"'),
        ("mock", "nowhere.wav", "{}", "No such file"),
        ("mock", "", "[]", "--options must be a JSON object"),
        ("mock", "short.wav", "{}", "short.wav is too short: a second of speech is the least"),
    ],
)
def test_what_cannot_be_tried_is_exit_code_2(
    model: str,
    file: str,
    options: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With one sentence."""
    (tmp_path / "short.wav").write_bytes(wav(speech(0.5)))
    monkeypatch.chdir(tmp_path)
    with as_file(sample()) as whole:
        assert 2 == check_model(model, file=file or str(whole), options=options, as_json=False)
    assert sentence in capsys.readouterr().err
