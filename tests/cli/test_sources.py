"""Names on a command line: which recordings they lead to, and what the transcripts are called."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from earful.cli.sources import Source, SourceError, check_stems, find_sources

if TYPE_CHECKING:
    from pathlib import Path


def touch(folder: Path, *names: str) -> None:
    """Empty files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_are_taken_as_they_are_named() -> None:
    """Whatever their names end in, there or not, each once."""
    assert [Source("x/a.pcm", PurePath("a")), Source("-", PurePath("standard-input"))] == find_sources(
        ["x/a.pcm", "-", "x/a.pcm"]
    )


def test_of_a_folder_all_recordings_are_taken(tmp_path: Path) -> None:
    """In order, those below too; neither what is hidden nor what is something else."""
    touch(tmp_path, "b.wav", "a.MP3", "c/d.flac", "notes.txt", ".hidden.wav", ".git/e.wav")
    assert [PurePath("a"), PurePath("b"), PurePath("c/d")] == [source.stem for source in find_sources([str(tmp_path)])]
    assert str(tmp_path / "c/d.flac") == find_sources([str(tmp_path)])[2].name


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    """By its name."""
    touch(tmp_path, "notes.txt")
    with pytest.raises(SourceError, match=f"no recording in {tmp_path}"):
        find_sources([str(tmp_path)])


def test_two_transcripts_are_two_files() -> None:
    """Or it is said which would be one."""
    check_stems(find_sources(["a.wav", "b.wav"]))
    with pytest.raises(SourceError, match=r"The transcripts of a.wav and x/a.mp3 would have one name, a\."):
        check_stems(find_sources(["a.wav", "b.wav", "x/a.mp3"]))
