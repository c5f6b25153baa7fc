"""A transcript's file while it grows: whole under its name, or what there is of it as a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from earful.cli.part import FileError, growing

if TYPE_CHECKING:
    from pathlib import Path


class LeftError(Exception):
    """Whatever ends it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """In a folder that is yet to be made."""
    return tmp_path / "out" / "c" / "a.srt"


@pytest.fixture
def part(path: Path) -> Path:
    """What it is called until it is whole."""
    return path.with_name("a.srt.part")


def files(path: Path) -> dict[str, str]:
    """What is in its folder."""
    return {file.name: file.read_text("utf-8") for file in path.parent.iterdir()}


def leave(path: Path, *pieces: str, overwrites: bool = False) -> None:
    """Write pieces, and fail."""
    with growing(path, overwrites=overwrites) as write:
        for piece in pieces:
            write(piece)
        raise LeftError


def test_each_piece_is_in_the_part_at_once(path: Path) -> None:
    """Whatever ends the program then; under its own name it is whole."""
    with growing(path, overwrites=False) as write:
        for piece, there in (("one\n", "one\n"), ("tw\N{LATIN SMALL LETTER O WITH GRAVE}", "one\ntw\xf2")):
            write(piece)
            assert {"a.srt.part": there} == files(path)
    assert {"a.srt": "one\ntw\xf2"} == files(path)


@pytest.mark.parametrize(
    ("written", "left", "notes"),
    [(["one\n"], {"a.srt.part": "one\n"}, ["What came before is in {part}."]), ([""], {}, [])],
)
def test_what_fails_leaves_what_there_is(
    written: list[str], left: dict[str, str], notes: list[str], path: Path, part: Path
) -> None:
    """Where there is anything: then a note tells where."""
    with pytest.raises(LeftError) as caught:
        leave(path, *written)
    assert left == files(path)
    assert [note.format(part=part) for note in notes] == getattr(caught.value, "__notes__", [])


@pytest.mark.parametrize("name", ["a.srt", "a.srt.part"])
def test_nothing_is_written_over_unasked(name: str, path: Path) -> None:
    """Neither a transcript nor what was heard before a failure, and that is told at once; forced, both are."""
    path.parent.mkdir(parents=True)
    path.with_name(name).write_text("mine", "utf-8")
    with pytest.raises(FileError, match=rf"{name} is there already.* --force writes over it\."):
        growing(path, overwrites=False).__enter__()
    assert {name: "mine"} == files(path)
    with growing(path, overwrites=True) as write:
        write("new")
    assert {"a.srt": "new"} == files(path)


def test_who_comes_first_keeps_the_name(path: Path, part: Path) -> None:
    """Also while another one is heard, which stays a part."""
    hearing = growing(path, overwrites=False)
    hearing.__enter__()("new")
    path.write_text("mine", "utf-8")
    with pytest.raises(FileError, match="is there already") as caught:
        hearing.__exit__(None, None, None)
    assert {"a.srt": "mine", "a.srt.part": "new"} == files(path)
    assert [f"What came before is in {part}."] == caught.value.__notes__


def test_what_is_forced_and_fails_costs_nothing(path: Path) -> None:
    """The transcript that was there stays until there is a whole one."""
    path.parent.mkdir(parents=True)
    path.write_text("mine", "utf-8")
    with pytest.raises(LeftError):
        leave(path, "new", overwrites=True)
    assert {"a.srt": "mine", "a.srt.part": "new"} == files(path)


@pytest.mark.parametrize(
    ("taken", "said"), [("out", "out/c cannot be made: "), ("out/c/a.srt.part/x", "Is a directory")]
)
def test_what_cannot_be_written_is_told_at_once(taken: str, said: str, tmp_path: Path, path: Path) -> None:
    """Before anything is heard: here something else has the name, of the folder or of the part."""
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).touch()
    with pytest.raises(FileError, match=said):
        growing(path, overwrites=True).__enter__()


def test_a_full_disk_is_a_sentence(path: Path, part: Path) -> None:
    """What is not written is not kept."""
    path.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(FileError, match="cannot be written: No space left"), growing(path, overwrites=True) as write:
        write("new")
    assert {} == files(path)
