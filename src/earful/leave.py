"""The end of a process at once: no handlers, no waiting for threads, but what was printed is not lost.

A model's threads must not keep a process alive that is done, and a forked child must not do its parent's last things.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End with this exit code. A pipe that nobody reads is no reason to stay."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the process was started without.
        with suppress(OSError, ValueError):  # ValueError where it is closed.
            stream.flush()
    os._exit(code)
