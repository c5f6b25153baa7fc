"""Signals as numbers: what comes is kept in order, handlers are given back, a fork's child hears for itself."""

from __future__ import annotations

import signal
import subprocess
import sys

from earful.supervisor.signals import HEARD, Signals

CHILD = """
import os, signal
from earful.supervisor.signals import HEARD, Signals, release
with Signals() as signals:
    with signals.held():
        os.kill(os.getpid(), signal.SIGTERM)
        pid = os.fork()
        if pid == 0:
            signals.close()
            release()
            for number in (signal.SIGHUP, signal.SIGINT):
                os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)
        _, status = os.waitpid(pid, 0)
        print(signals.take(), end=" ")
    print(sorted(signals.take()), os.waitstatus_to_exitcode(status))
"""


def test_signals_are_taken_in_order() -> None:
    """Each once; they interrupt nothing."""
    with Signals() as signals:
        assert [] == signals.take()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert [signal.SIGHUP, signal.SIGTERM, signal.SIGHUP] == signals.take()
        assert [] == signals.take()


def test_handlers_are_given_back() -> None:
    """Those of before the scope."""
    before = [signal.getsignal(number) for number in HEARD]
    with Signals():
        assert before != [signal.getsignal(number) for number in HEARD]
    assert before == [signal.getsignal(number) for number in HEARD]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    assert -1 == wakeup


def test_a_held_signal_comes_at_the_end() -> None:
    """Of the scope in which it is held."""
    with Signals() as signals:
        with signals.held():
            signal.raise_signal(signal.SIGTERM)
            assert [] == signals.take()
        assert [signal.SIGTERM] == signals.take()


def test_a_child_hears_for_itself() -> None:
    """It ignores what a terminal sends to all, ends at SIGTERM, and its parent hears nothing of that but its end."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=60)
    numbers, code = done.stdout.rsplit(maxsplit=1)
    assert "-15" == code
    assert numbers == f"[] {sorted([int(signal.SIGTERM), int(signal.SIGCHLD)])}"
