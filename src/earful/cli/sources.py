"""Which recordings are meant by the names on a command line, and what their transcripts are called.

Guarantees each recording once, those of a folder in the order of their names. Used by `earful transcribe`.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from earful.cli.recording import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = frozenset(
    {".wav", ".mp3", ".m4a", ".mp4", ".aac", ".ogg", ".oga", ".opus", ".webm", ".flac", ".mka", ".mkv", ".mov"}
)
"""What is looked for in a folder; a file that is named itself may have any."""
_STDIN_STEM = PurePath("standard-input")


class SourceError(Exception):
    """The names do not lead to recordings; the text is one sentence."""


class Source(NamedTuple):
    """A recording by name, and its transcript's without a suffix, relative to where transcripts go."""

    name: str
    stem: PurePath


def find_sources(names: Sequence[str]) -> list[Source]:
    """The recordings meant; raises SourceError for a folder without any."""
    return list(dict.fromkeys(source for name in names for source in _found(name)))


def check_stems(sources: Sequence[Source]) -> None:
    """Raise SourceError where two transcripts would be one file."""
    first: dict[PurePath, Source] = {}
    for source in sources:
        other = first.setdefault(source.stem, source)
        if other is not source:
            raise SourceError(f"The transcripts of {other.name} and {source.name} would have one name, {source.stem}.")


def _found(name: str) -> Iterator[Source]:
    if name == STDIN:
        yield Source(name, _STDIN_STEM)
    elif os.path.isdir(name):  # noqa: PTH112 - the name is told as it was given
        yield from _in_folder(Path(name))
    else:
        yield Source(name, PurePath(PurePath(name).stem))


def _in_folder(folder: Path) -> list[Source]:
    """All recordings below a folder, hidden ones left out; links to folders are not followed."""
    paths = sorted(
        Path(where) / file
        for where, folders, files in os.walk(folder)
        if _keep_shown(folders)
        for file in files
        if PurePath(file).suffix.lower() in SUFFIXES and not file.startswith(".")
    )
    if not paths:
        raise SourceError(f"There is no recording in {folder}: nothing whose name ends as those of audio files do.")
    return [Source(str(path), path.relative_to(folder).with_suffix("")) for path in paths]


def _keep_shown(folders: list[str]) -> bool:
    """Have `os.walk` pass over hidden folders; True."""
    folders[:] = [folder for folder in folders if not folder.startswith(".")]
    return True
