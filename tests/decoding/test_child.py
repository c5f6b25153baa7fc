"""The bounds of a recording's process, as the kernel keeps them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from earful.decoding.messages import Said, hear

OVER = "bytearray(1 << 26)"
UNDER = "bytearray(MOST_BYTES // 2)"
FAULTY = """
def faulty(*_, **__): raise KeyError("words of its own")
from earful.decoding import child
child.open_audio = faulty
child.decode(0, {line}, 1.0, 1)
"""
FOR_EVER = "[None for _ in iter(int, 1)]"


def ending(limit: str, what: str) -> tuple[int, str]:
    """How a process ends that sets a limit and does something: its code, and the last it says."""
    script = f"from earful.decoding.child import *\n{limit}()\n{what}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(("what", "ends"), [(UNDER, (0, "")), (OVER, (1, "MemoryError"))])
def test_more_memory_is_not_there(what: str, ends: tuple[int, str]) -> None:
    """64 MiB beyond what the process has when the recording begins."""
    assert ends == ending("limit_memory", what)


def test_more_time_is_not_there() -> None:
    """Whoever computes on is killed, also where Python has no say."""
    assert (-signal.SIGPROF, "") == ending("limit_time", FOR_EVER)


def test_a_fault_of_the_decoder_is_told_by_its_type() -> None:
    """Not as a recording's doing, and without its words."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        script = FAULTY.format(line=theirs.fileno())
        subprocess.run(
            [sys.executable, "-c", script], stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], check=True, timeout=15
        )
        assert [(Said.BEGUN, b""), (Said.FAILED, b"KeyError")] == [hear(ours), hear(ours)]
