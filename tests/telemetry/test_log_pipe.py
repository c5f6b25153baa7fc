"""The way of log lines out, over real pipes: nobody waits, and what is lost is counted."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import threading
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.server import await_true

from earful.telemetry.log_pipe import LogPipe, Unpiped
from earful.telemetry.logs import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 30.0
MOMENT_S = 0.05
PIPE_BYTES = 4096


@contextmanager
def ends() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe as small as they get: to read, to write.

    The second is closed when nobody writes to it any more, lest a line goes to whoever is given its number next.
    """
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        for thread in threading.enumerate():
            if thread.name == "log":
                thread.join(WITHIN_S)
        os.close(writer)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes does not stay long without work."""
    monkeypatch.setattr("earful.telemetry.log_pipe.IDLE_S", MOMENT_S)


class Reader:
    """Reads a pipe to what a test waits for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.text = ""

    def read_some(self) -> None:
        """What there is, or comes in a moment."""
        if select.select([self._descriptor], [], [], MOMENT_S)[0]:
            self.text += os.read(self._descriptor, 65_536).decode()

    def read_until(self, *wanted: str) -> str:
        """Everything so far, once it has all of these."""
        while not all(one in self.text for one in wanted):
            self.read_some()
        return self.text


def test_lines_arrive_in_order() -> None:
    """Also many, of several sizes; then nothing is left to wait for."""
    lines = [f"{number} {'x' * (number * 37 % 6000)}\n" for number in range(200)]
    with ends() as (reader, writer):
        pipe = LogPipe(writer)
        for line in lines:
            assert len(line) == pipe.write(line)
        assert "".join(lines) == Reader(reader).read_until(lines[-1])
        assert pipe.settle(WITHIN_S)
        assert (0, None) == (pipe.dropped, pipe.flush())  # type: ignore[func-returns-value]  # a stream has it


def test_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    """What does not fit is counted, and told when lines flow again, each once; the next time from zero."""
    with ends() as (reader, writer):
        pipe = LogPipe(writer, most_bytes=20_000)
        told: list[int] = []
        pipe.on_dropped = told.append
        for _ in (1, 2):
            before = pipe.dropped
            for _ in range(1000):
                pipe.write("x" * 99 + "\n")
            assert pipe.dropped - before >= 1000 - (20_000 + PIPE_BYTES) // 100
            assert not pipe.settle(0)
            lines = Reader(reader)
            while not pipe.settle(0.01):
                lines.read_some()
            await_true(lambda: pipe.dropped == sum(told), WITHIN_S)


def test_a_reader_that_is_gone_costs_the_lines() -> None:
    """And nothing else; nothing is told, since nobody would hear it."""
    reader, writer = os.pipe()
    os.close(reader)
    pipe = LogPipe(writer)
    told: list[int] = []
    pipe.on_dropped = told.append
    pipe.write("lost\n")
    assert pipe.settle(WITHIN_S)
    os.close(writer)
    assert (1, []) == (pipe.dropped, told)


def test_without_a_descriptor_or_behind_a_closed_one_lines_are_lost_and_counted() -> None:
    """A closed stream, in memory or not, and no stderr at all: who logs does not notice."""
    with open(os.devnull, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path of the system's
        pass
    closed = StringIO()
    for stream in (file, closed):
        stream.close()
        log = open_log(stream=stream)
        log.info("lost")
        assert 1 == log.dropped
        log.close()


def test_a_process_without_stderr_logs_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python starts one whose descriptor 2 is closed."""
    monkeypatch.setattr("sys.stderr", None)
    log = open_log()
    log.info("lost")
    log.close()  # Its thread has seen that nobody takes it.
    assert 1 == log.dropped


def test_without_a_thread_lines_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of an interpreter, or where the system is out of threads; the next line tries again."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError

    with ends() as (reader, writer):
        pipe = LogPipe(writer)
        with monkeypatch.context() as broken:
            broken.setattr(threading.Thread, "start", fail)
            pipe.write("one\n")
            assert not pipe.settle(0)
        pipe.write("two\n")
        assert "one\ntwo\n" == Reader(reader).read_until("two\n")


def test_what_is_no_unicode_is_escaped() -> None:
    """And costs no line."""
    with ends() as (reader, writer):
        pipe = LogPipe(writer)
        pipe.write("\ud800\n")
        assert "\\ud800\n" == Reader(reader).read_until("\n")
        assert 0 == pipe.dropped


def test_a_descriptor_that_others_made_non_blocking_is_waited_for() -> None:
    """It shares that with whoever else has it."""
    with ends() as (reader, writer):
        os.set_blocking(writer, False)
        pipe = LogPipe(writer)
        for _ in range(100):
            pipe.write("x" * 99 + "\n")
        pipe.write("end\n")
        assert 10_004 == len(Reader(reader).read_until("end\n"))
        assert (True, 0) == (pipe.settle(WITHIN_S), pipe.dropped)


def test_the_thread_ends_where_there_is_nothing_to_do() -> None:
    """And begins again with the next line."""
    with ends() as (reader, writer):
        pipe = LogPipe(writer)
        lines = Reader(reader)
        for word in ("one", "two"):
            pipe.write(f"{word}\n")
            lines.read_until(word)
            await_true(lambda: "log" not in {thread.name for thread in threading.enumerate()}, WITHIN_S)


def test_who_listens_for_pauses_is_called_between_lines_and_when_idle() -> None:
    """And may write; without a descriptor behind each line."""
    with ends() as (reader, writer):
        pipe = LogPipe(writer)
        pauses: list[str] = []

        def tell() -> None:
            pauses.append(threading.current_thread().name)
            if len(pauses) == 2:
                pipe.write("idle\n")

        pipe.on_pause = tell
        pipe.write("one\n")
        assert "one\nidle\n" == Reader(reader).read_until("idle\n")
        await_true(lambda: len(pauses) == 4, WITHIN_S)
        assert {"log"} == set(pauses)
    stream = StringIO()
    unpiped = Unpiped(stream)
    unpiped.on_pause = lambda: pauses.append(stream.getvalue())
    unpiped.write("two\n")
    assert "two\n" == pauses[-1]


def test_a_fork_makes_its_own() -> None:
    """A line that a child writes arrives, whatever thread its parent has."""
    with ends() as (reader, writer):
        pipe = LogPipe(writer)
        pipe.write("parent\n")
        Reader(reader).read_until("parent")
        child = os.fork()
        if child == 0:
            own = LogPipe(writer)
            own.write("child\n")
            os._exit(0 if own.settle(WITHIN_S) else 1)
        Reader(reader).read_until("child")
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_it_knows_a_terminal() -> None:
    """As the stream would."""
    ours, theirs = pty.openpty()
    with ends() as (_, writer):
        assert (True, False) == (LogPipe(theirs).isatty(), LogPipe(writer).isatty())
    os.close(ours)
    os.close(theirs)


def test_lost_lines_are_told_in_the_log() -> None:
    """As a line like any other, and counted where metrics can see it."""
    with ends() as (reader, writer):
        pipe = LogPipe(writer, most_bytes=10_000)
        log = open_log(form="json", stream=pipe)
        for number in range(200):
            log.info("session ended", session=str(number))
        assert log.dropped > 0
        lines = Reader(reader)
        while not pipe.settle(0.01) or sum(line["count"] for line in losses(lines.text)) < log.dropped:
            lines.read_some()
        told = losses(lines.text)
        assert ({"warning"}, log.dropped) == ({line["level"] for line in told}, sum(line["count"] for line in told))


def test_what_tells_of_lost_lines_is_not_lost() -> None:
    """Also where others have filled the room again before it is written."""
    with ends() as (reader, writer):
        pipe = LogPipe(writer, most_bytes=10_000)

        def fill() -> None:
            while pipe.write("x" * 99 + "\n") and not pipe.dropped:
                continue
            pipe.write("x" * 9_999 + "\n")

        def tell(count: int) -> None:
            other = threading.Thread(target=fill)
            other.start()
            other.join()
            pipe.write(f"lost {count}\n")

        pipe.on_dropped = tell
        fill()
        lines = Reader(reader)
        lines.read_until("lost 2")


def losses(text: str) -> list[dict[str, Any]]:
    """The lines that tell of lost ones, among those that are whole."""
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if line["event"] == "log lines dropped"]
