"""A file that changes while the server runs."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest
from tests.support.inside import Record

from earful.access.watched import LOOK_EVERY_S, MOST_BYTES, Watched
from earful.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Desk:
    """A watched file with a number in it, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "number"
        self.file.write_text("1", "utf-8")
        self.log = Record()
        self.now = 0.0
        self.reads = 0
        self.watched = Watched(str(self.file), self._read, self.log, lambda: self.now)

    def _read(self, text: str) -> int:
        self.reads += 1
        if text.startswith("key"):
            raise ValueError("it is no number")
        return int(text)

    def write(self, text: str | bytes) -> None:
        """Put another file in its place, as careful people do."""
        other = self.file.with_suffix(".new")
        other.write_bytes(text if isinstance(text, bytes) else text.encode())
        other.replace(self.file)

    def later(self) -> int:
        """What it says after a while."""
        self.now += LOOK_EVERY_S
        return self.watched.value()

    @property
    def told(self) -> list[tuple[str, str | None]]:
        """What the log was told."""
        return [(line["event"], line.get("error")) for line in self.log.events]


def test_a_change_is_seen_within_a_second(tmp_path: Path) -> None:
    """Not before: it is looked at no more often; and read only where it has changed."""
    desk = Desk(tmp_path)
    desk.write("2")
    assert 1 == desk.watched.value()
    assert [2, 2, 2] == [desk.later() for _ in range(3)]
    assert (2, [("access file is read anew", None)]) == (desk.reads, desk.told)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("key-that-is-secret", "it is no number"),
        (b"\xff\xfe", "it is no UTF-8 text"),
        (b"1" * (MOST_BYTES + 1), f"it is longer than {MOST_BYTES} bytes"),
    ],
)
def test_a_broken_file_changes_nothing(content: str | bytes, why: str, tmp_path: Path) -> None:
    """It is told once, without what stands in it; the next good one holds."""
    desk = Desk(tmp_path)
    desk.write(content)
    assert [1, 1] == [desk.later() for _ in range(2)]
    assert [("access file is not usable", why)] == desk.told
    desk.write("3")
    assert 3 == desk.later()


def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """Until it is back."""
    desk = Desk(tmp_path)
    desk.file.unlink()
    assert [1, 1] == [desk.later() for _ in range(2)]
    assert [("access file is not usable", os.strerror(2))] == desk.told


def test_what_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    """Nothing about the file need change for that: it was the server that had no descriptor left."""
    desk = Desk(tmp_path)
    desk.write("2")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        seen = [desk.later() for _ in range(2)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [1, 1, 2, 2] == [*seen, *(desk.later() for _ in range(2))]
    assert [("access file is not usable", os.strerror(24)), ("access file is read anew", None)] == desk.told


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for(make: Callable[[str], None], tmp_path: Path) -> None:
    """A named pipe that nobody writes to would hold up the whole worker; a server does not start with one."""
    desk = Desk(tmp_path)
    desk.file.unlink()
    make(str(desk.file))
    assert [1, 1] == [desk.later() for _ in range(2)]
    assert ["access file is not usable"] == [event for event, _ in desk.told]
    with pytest.raises(SettingsError, match=r"cannot be used: (it is no regular file|Is a directory)\."):
        Watched(str(desk.file), int, Record())


def test_a_server_does_not_start_without_it(tmp_path: Path) -> None:
    """A sentence says which file, and why."""
    with pytest.raises(SettingsError, match="No such file"):
        Watched(str(tmp_path / "none"), int, Record())
