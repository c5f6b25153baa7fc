"""Flags of `earful transcribe`: which go together, and who does what they want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_transcribe import FINAL, LAST, WAV, answering

from earful.cli.wanted import Wanted, WantedError, listen

if TYPE_CHECKING:
    from pathlib import Path


def wanted(*names: str, urls: tuple[str, ...] = ("ws://127.0.0.1:1",), **flags: Any) -> Wanted:
    """What a command line wants."""
    return Wanted(names, urls, **flags)


@pytest.mark.parametrize(
    ("names", "flags", "said"),
    [
        ((), {}, "Name a recording"),
        (("a",), {"mic": True}, "--mic takes no recordings"),
        (("a",), {"as_srt": True, "as_json": True}, "Only one of --json and --srt"),
        ((), {"mic": True, "uploads": True}, "--mic is streamed"),
        (("a",), {"plain": True, "uploads": True}, "--plain is a way of streaming"),
        (("a",), {"device": "x"}, "--device is for --mic"),
        (("a",), {"force": True}, "--force is for --output"),
        (("a",), {"uploads": True, "urls": ("a", "b")}, "--upload and --plain take one --url"),
        (("a",), {"plain": True, "urls": ("a", "b")}, "--upload and --plain take one --url"),
    ],
)
def test_flags_that_do_not_go_together_are_a_sentence(names: tuple[str, ...], flags: Any, said: str) -> None:
    """Before anything is opened."""
    with pytest.raises(WantedError, match=said):
        listen(wanted(*names, **flags))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "no line with a token"),
        (b"a\nb", "or more than one"),
        (b"\xff", "no text in ASCII"),
    ],
)
@pytest.mark.parametrize("uploads", [False, True])
def test_a_file_without_a_token_is_a_sentence(
    content: bytes | None, said: str, tmp_path: Path, *, uploads: bool
) -> None:
    """Before anything is said."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WantedError, match=said):
        listen(wanted("a", uploads=uploads, token_file=str(file)))


def test_one_recording_is_shown_as_it_is_heard(tmp_path: Path) -> None:
    """As text or JSON; everything else is written."""
    assert all(one.is_shown_live for one in (wanted("a"), wanted("-", as_json=True), wanted(mic=True)))
    others = [
        wanted("a", "b"),
        wanted(str(tmp_path)),
        wanted("a", as_srt=True),
        wanted(mic=True, as_vtt=True),
        wanted("a", output="o"),
        wanted("a", uploads=True),
    ]
    assert not any(one.is_shown_live for one in others)


@pytest.mark.parametrize("flags", [{}, {"as_srt": True}])
@pytest.mark.parametrize("is_spoken", [False, True])
def test_a_recording_or_a_microphone_is_heard(
    flags: Any,
    is_spoken: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In either way."""
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    with answering(FINAL, LAST) as url:
        asked = (
            wanted(urls=(url,), mic=True, device=f"file:{path}", **flags)
            if is_spoken
            else wanted(str(path), urls=(url,), fast=True, **flags)
        )
        assert 0 == listen(asked)
    out, said = capsys.readouterr()
    assert "hello" in out
    assert "" == said
