"""Where the log goes: it never waits and never fails."""

from __future__ import annotations

import fcntl
import io
import os
from typing import TYPE_CHECKING

import pytest

from earful.telemetry.outlet import Outlet

if TYPE_CHECKING:
    from pathlib import Path

NOTICE = "lost {count}\n"
LINE = "x" * 999 + "\n"


def drained(reader: int) -> str:
    """All that is in a pipe."""
    os.set_blocking(reader, False)
    parts = []
    try:
        while part := os.read(reader, 1 << 16):
            parts.append(part)
    except BlockingIOError:
        pass
    return b"".join(parts).decode()


def test_what_nobody_reads_is_dropped_counted_and_told_of() -> None:
    """A full pipe makes nobody wait; when it is read again the number of lost lines comes before the next one."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4 * 4096)
    with os.fdopen(writer, "w") as stream:
        outlet = Outlet(stream, NOTICE)
        for _ in range(30):
            assert len(LINE) == outlet.write(LINE)
        assert outlet.dropped > 0
        written = drained(reader)
        assert (30 - outlet.dropped) * LINE == written
        lost = outlet.dropped
        outlet.write("after\n")
        outlet.write("more\n")
        assert f"lost {lost}\nafter\nmore\n" == drained(reader)
        assert lost == outlet.dropped
    os.close(reader)


def test_a_long_line_stops_where_the_pipe_is_full() -> None:
    """A line of several pieces is given up in the middle, and counted."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(writer, "w") as stream:
        outlet = Outlet(stream, NOTICE)
        outlet.write("y" * 10_000 + "\n")
        assert 1 == outlet.dropped
        assert "y" * 4096 == drained(reader)
    os.close(reader)


def test_a_reader_that_went_away_fails_nobody() -> None:
    """A broken pipe drops lines, as a closed stream without a descriptor does."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        outlet = Outlet(stream, NOTICE)
        os.close(reader)
        outlet.write(LINE)
        outlet.write(LINE)
        assert 2 == outlet.dropped
    closed = io.StringIO()
    outlet = Outlet(closed, NOTICE)
    closed.close()
    outlet.write(LINE)
    assert 1 == outlet.dropped


@pytest.mark.parametrize("text", ["plain\n", "é\n", "\ud800\n"])
def test_any_text_is_written(text: str, tmp_path: Path) -> None:
    """To a file and to a stream without one; what is no Unicode is escaped in the file."""
    path = tmp_path / "log"
    with path.open("w+", encoding="utf-8") as stream:
        outlet = Outlet(stream, NOTICE)
        outlet.write(text)
        outlet.flush()
        assert not outlet.isatty()
        assert text.encode(errors="backslashreplace") == os.pread(stream.fileno(), 100, 0)
    kept = io.StringIO()
    Outlet(kept, NOTICE).write(text)
    assert text == kept.getvalue()
