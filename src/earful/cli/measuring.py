"""What every measurement from the command line needs: its event loop, its recording, and where its result goes.

Guarantees one sentence for what cannot be read or written. Used by `bench` and `scenario`.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from earful.bench.plan import CannotMeasureError
from earful.bench.recording import MAX_WAV_BYTES, Recording, pcm_of_wav
from earful.errors import EarfulError
from earful.samples import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

STDOUT = "-"
PIPE_WIDTH = 160


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop: uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # Not everywhere; without it fewer streams can be driven.
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def recording_of(wav: str | None, chunk_ms: int) -> Recording:
    """The file's beginning, or the sample; raises CannotMeasureError where it cannot be spoken."""
    name = wav or "the sample"
    try:
        with Path(wav).open("rb") if wav else sample().open("rb") as file:
            return Recording(pcm_of_wav(file.read(MAX_WAV_BYTES)), chunk_ms)
    except OSError as error:
        raise CannotMeasureError(f"{name} cannot be read: {error.strerror}.") from None
    except EarfulError as error:
        raise CannotMeasureError(f"{name} cannot be used: {error.text}") from None


def open_output(name: str | None, opened: ExitStack) -> IO[str] | None:
    """Where a result goes; opened before the run, so that no measurement is lost to a name that cannot be written.

    What is there stays until there is something to replace it; where nothing was there, nothing stays without a result.
    """
    if name is None or name == STDOUT:
        return sys.stdout if name else None
    try:
        return opened.enter_context(_open(Path(name)))
    except OSError as error:
        raise CannotMeasureError(f"{name} cannot be written: {error.strerror}.") from None


def write(out: IO[str], text: str) -> None:
    """Replace what is in a result's file by this; raises CannotMeasureError where it cannot be written."""
    try:
        if out is not sys.stdout and stat.S_ISREG(os.fstat(out.fileno()).st_mode):
            out.truncate(0)
        print(text, file=out, flush=True)
    except OSError as error:
        raise CannotMeasureError(f"The result cannot be written: {error.strerror}.") from None


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    is_new = not path.exists()
    file = path.open("a", encoding="utf-8")
    try:
        yield file
    finally:
        with suppress(OSError):  # What was not taken has been told of.
            file.close()
        if is_new and not path.stat().st_size:
            path.unlink(missing_ok=True)
