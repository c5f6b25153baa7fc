"""A worker process as its parent sees it: how it ended, in words. What it does is in `test_supervisor`."""

from __future__ import annotations

import signal

import pytest

from earful.supervisor.process import cause_of, is_clean


@pytest.mark.parametrize(
    ("status", "cause", "clean"),
    [
        (0, "exit code 0", True),
        (7 << 8, "exit code 7", False),
        (signal.SIGKILL, "SIGKILL", False),
        (signal.SIGTERM, "SIGTERM", True),
        (signal.SIGSEGV | 0x80, "SIGSEGV", False),
        (int(signal.SIGRTMIN) + 3, f"signal {int(signal.SIGRTMIN) + 3}", False),
    ],
)
def test_an_end_in_words(status: int, cause: str, clean: bool) -> None:  # noqa: FBT001 - a column of the table
    """The signal's name where it was one; clean is what was asked for."""
    assert (cause, clean) == (cause_of(status), is_clean(status))
