"""Stacks: whose they are, what is in them, and what never is."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from earful.telemetry.stacks import SignalledStacks, as_text, places_in, stacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.telemetry.stacks import Places

SPOKEN = "a secret that somebody said"
DUMP = b"""Thread 0x00000000000000ff (most recent call first):
  File "/somewhere/lib/wait.py", line 331 in wait
  File "x.py", line ??? in <lambda>
  ...

Current thread 0x0000000000000001 (most recent call first):
  <no Python frame>
"""


@contextmanager
def speaker() -> Iterator[None]:
    """A thread that stands in a function with a secret in its hands."""
    there, gone = threading.Event(), threading.Event()

    def speak(text: str) -> None:
        there.set()
        gone.wait(30)
        assert text

    thread = threading.Thread(target=speak, args=(SPOKEN,), name="speaker")
    thread.start()
    there.wait(30)
    try:
        yield
    finally:
        gone.set()
        thread.join()


def test_a_dump_is_read() -> None:
    """Threads that nobody knows any more have their number; what is no place is passed over."""
    assert {"thread 0xff": ["lib/wait.py:331 wait", "x.py:??? <lambda>"], "thread 0x1": []} == places_in(DUMP)


def test_the_main_thread_is_told_first() -> None:
    """A line a thread, a line a call; of very deep ones the innermost."""
    text = as_text({"a": ["x.py:1 f"], "MainThread": [f"y.py:{nth} g" for nth in range(99)]})
    lines = text.splitlines()
    assert ["MainThread", "  y.py:0 g", "  y.py:29 g", "a", "  x.py:1 f"] == [*lines[:2], *lines[-3:]]


def test_all_threads_but_ones_own() -> None:
    """Places and names of functions, no value."""
    with speaker():
        found = stacks()
    assert any(place.endswith(" speak") for place in found["speaker"])
    assert threading.current_thread().name not in found
    assert SPOKEN not in str(found)


def test_a_signal_has_all_of_them_written() -> None:
    """Taken once, when no more is added; the next signal brings the next."""
    asked = SignalledStacks(signal.SIGUSR1)
    before = signal.getsignal(signal.SIGUSR1)
    with speaker(), asked.listening():
        for _ in range(2):
            assert asked.take() is None
            signal.raise_signal(signal.SIGUSR1)
            assert asked.take() is None
            check(asked.take())
            assert asked.take() is None
        assert asked.take_now() is None
        for _ in range(1000):  # Far more than is kept.
            signal.raise_signal(signal.SIGUSR1)
        check(asked.take_now())
        while (found := asked.take()) is None:  # Also where the signals never end.
            for _ in range(100):
                signal.raise_signal(signal.SIGUSR1)
        check(found)
    assert before == signal.getsignal(signal.SIGUSR1)


def check(found: Places | None) -> None:
    """Both threads are in it."""
    assert found is not None
    assert {"speaker", threading.current_thread().name} <= found.keys()
    assert any(place.endswith(" speak") for place in found["speaker"])


def test_threads_of_one_name_are_all_told() -> None:
    """The second has its number beside the name; a thread that comes again is another signal's."""
    here = threading.get_ident()
    dump = "".join(
        f'Thread 0x{ident:x} (most recent call first):\n  File "/x/y.py", line 1 in f\n' for ident in (1, here, 1)
    )
    assert {"thread 0x1": ["x/y.py:1 f"], threading.current_thread().name: ["x/y.py:1 f"]} == places_in(dump.encode())
    with speaker(), speaker():
        names = [name for name in stacks() if name.startswith("speaker")]
    assert 2 == len(names)
