"""How a process ended, in words for a log: the supervisor asks of its workers, the engine of its model's processes.

Pure.
"""

from __future__ import annotations

import signal


def in_words(code: int) -> str:
    """`exit code 3`, or the signal's name for the negative `code` that `subprocess` and `os` make of one: `SIGSEGV`."""
    names = {number.value: number.name for number in signal.Signals}
    return f"exit code {code}" if code >= 0 else names.get(-code, f"signal {-code}")
