"""Several recordings, against a scripted server: each its transcript, whatever becomes of the others."""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_transcribe import FINAL, LAST, WAV, answering
from tests.cli.test_uploading import answering as uploaded_to

from earful.cli import batch
from earful.cli.batch import Order, transcribe_all
from earful.cli.live import Manner
from earful.cli.recording import ReadError, Recording

SRT = "1\n00:00:00,000 --> 00:00:00,200\nhello\n\n"
LINE = "[0:00.0 \N{EN DASH} 0:00.2] hello\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings, and a file between them that is none."""
    spoken = tmp_path / "spoken"
    (spoken / "c").mkdir(parents=True)
    for name, content in (("a.wav", WAV), ("b.mp3", b"no music"), ("c/d.wav", WAV)):
        (spoken / name).write_bytes(content)
    return spoken


def order(url: str, **others: Any) -> Order:
    """As fast as it may."""
    return Order(Manner((url,), fast=True), **others)


def test_one_as_captions_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Captions on stdout, nothing on stderr."""
    with answering(FINAL, LAST) as url:
        assert 0 == transcribe_all([str(folder / "a.wav")], order(url, form="srt"))
    assert (SRT, "") == capsys.readouterr()


@pytest.mark.parametrize("jobs", [1, 4])
def test_one_that_fails_costs_no_other(jobs: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are told in order, each under its name; the exit code tells."""
    with answering(FINAL, LAST) as url:
        assert 1 == transcribe_all([str(folder)], order(url, jobs=jobs))
    out, said = capsys.readouterr()
    assert f"==> {folder / 'a.wav'} <==\n{LINE}\n==> {folder / 'c/d.wav'} <==\n{LINE}\n" == out
    assert f"{folder / 'b.mp3'} cannot be used" in said
    assert "earful: 1 of 3 recordings could not be transcribed.\n" in said


def test_each_of_several_outlasts_a_full_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told of one alone."""
    alone = str(folder / "a.wav")
    with answering(FINAL, LAST, refusals=4) as url:
        assert 1 == transcribe_all([alone], order(url, form="srt"))
        assert "trying again" not in capsys.readouterr().err
        assert 0 == transcribe_all([alone, str(folder / "c")], order(url))
    said = capsys.readouterr().err
    assert f"{alone}: refused for now, trying again ... (The server refuses the connection: HTTP 503.)\n" in said


def test_transcripts_become_files(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the recordings are, so are they; none is written over unless forced."""
    out = tmp_path / "out"
    names = [str(folder)]
    with answering(FINAL, LAST) as url:
        assert 1 == transcribe_all(names, order(url, form="srt", folder=out))
        assert [SRT, SRT] == [(out / name).read_text("utf-8") for name in ("a.srt", "c/d.srt")]
        (out / "a.srt").write_text("mine", "utf-8")
        assert 1 == transcribe_all(names, order(url, form="srt", folder=out))
        assert "mine" == (out / "a.srt").read_text("utf-8")
        assert f"{out / 'a.srt'} is there already; --force writes over it." in capsys.readouterr().err
        assert 1 == transcribe_all(names, order(url, form="srt", folder=out, overwrites=True))
    assert SRT == (out / "a.srt").read_text("utf-8")
    assert "" == capsys.readouterr().out


def test_what_was_heard_before_a_failure_is_kept(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a part, which the sentence names; one of which nothing was heard leaves none."""
    out = tmp_path / "out"
    with answering(FINAL) as url:
        assert 1 == transcribe_all([str(folder)], order(url, form="vtt", folder=out))
    said = capsys.readouterr().err
    assert ["a.vtt.part", "c", "c/d.vtt.part"] == sorted(str(path.relative_to(out)) for path in out.rglob("*"))
    assert "hello" in (out / "a.vtt.part").read_text("utf-8")
    assert f"before the last final: code 1000. What came before is in {out / 'a.vtt.part'}.\n" in said


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("json", "jsonl"), ("vtt", "vtt")])
def test_files_are_called_after_their_form(form: Any, suffix: str, folder: Path, tmp_path: Path) -> None:
    """JSON of many lines by its own name."""
    with answering(FINAL, LAST) as url:
        assert 0 == transcribe_all([str(folder / "a.wav")], order(url, form=form, folder=tmp_path / "out"))
    assert [tmp_path / "out" / f"a.{suffix}"] == list((tmp_path / "out").iterdir())


def test_a_file_that_cannot_be_written_is_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here a file stands where the folder should be."""
    (tmp_path / "out").touch()
    with answering(FINAL, LAST) as url:
        assert 1 == transcribe_all([str(folder / "a.wav")], order(url, folder=tmp_path / "out"))
    assert f"{tmp_path / 'out'} cannot be made: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "others", "said"),
    [
        (["a", "b"], {"form": "vtt"}, "Several transcripts as vtt need --output"),
        (["a.wav", "x/a.wav"], {"folder": Path("out")}, "would have one name, a."),
    ],
)
def test_nothing_is_begun_that_cannot_end_well(
    names: list[str], others: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2."""
    assert 2 == transcribe_all(names, order("ws://127.0.0.1:1", **others))
    assert said in capsys.readouterr().err


def test_no_server_is_a_sentence_for_each(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Streamed or uploaded."""
    for uploads in (False, True):
        assert 1 == transcribe_all([str(folder / "a.wav")], order("ws://127.0.0.1:1", form="srt", uploads=uploads))
        assert f"earful: {folder / 'a.wav'}: Nothing " in capsys.readouterr().err


def test_who_shows_no_key_learns_how(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where one is asked for: here of an upload."""
    with uploaded_to(b'{"error": {"message": "Bring a key."}}', 401) as (url, _):
        assert 1 == transcribe_all([str(folder / "a.wav")], order(url, uploads=True))
    said = capsys.readouterr().err
    assert said.endswith("answered 401: Bring a key. The file with your key or token is named with --token-file.\n")


class Failing(AbstractContextManager[Recording]):
    """A microphone that cannot be opened."""

    def __init__(self, trouble: BaseException) -> None:
        self._trouble = trouble

    def __enter__(self) -> Recording:
        """Fail."""
        raise self._trouble

    def __exit__(self, *_: object) -> None:
        """Nothing to leave."""


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [(ReadError("there is none"), 1, "microphone cannot be read: there is none."), (KeyboardInterrupt(), 130, "")],
)
def test_a_microphone_that_cannot_be_opened(
    trouble: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence, or a quiet end."""
    assert code == transcribe_all([], order("ws://127.0.0.1:1", form="srt"), Failing(trouble))
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "cannot be shown: No space left"),
        (BrokenPipeError(), 9, ""),
    ],
)
def test_an_output_that_fails(
    trouble: OSError,
    code: int,
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A full disk is a sentence, a reader that has gone a quiet end."""

    def fail(_: str) -> None:
        raise trouble

    monkeypatch.setattr(batch, "_print", fail)
    monkeypatch.setattr(batch, "let_go_of_output", lambda: 9)
    with answering(FINAL, LAST) as url:
        assert code == transcribe_all([str(folder)], order(url))
    assert said in capsys.readouterr().err
