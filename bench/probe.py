"""The mock model with an ear for SIGUSR2: its worker collects, trims, and tells what it holds.

Guarantees that what is only not collected yet, or not given back yet, is not counted. Named by `soak.py` as the
server's model; `census_of` asks, from outside.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import NamedTuple

from earful.models.mock import MockASRModel

ASK_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.02


class Census(NamedTuple):
    """What a process holds."""

    resident_mb: float
    open_files: int
    tasks: int
    threads: int


class Probe(MockASRModel):
    """As the mock is by default."""

    @classmethod
    async def load(cls) -> None:
        """Listen for the signal."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, _tell)


async def census_of(pid: int) -> Census:
    """Ask a worker whose model is the probe; raises TimeoutError."""
    answer = _answer(pid)
    os.kill(pid, signal.SIGUSR2)
    async with asyncio.timeout(ASK_WITHIN_S):
        while not answer.exists():  # noqa: ASYNC110 - a file tells nobody that it is there
            await asyncio.sleep(_LOOK_EVERY_S)
    census = Census(*json.loads(answer.read_text()))
    answer.unlink()
    return census


def _tell() -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    me = Path("/proc/self")
    pages = int((me / "statm").read_text().split()[1])
    status = dict(line.split(":\t") for line in (me / "status").read_text().splitlines() if ":\t" in line)
    open_files = len(list((me / "fd").iterdir())) - 1  # Less the one that this look opens.
    found = Census(
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6, open_files, len(asyncio.all_tasks()), int(status["Threads"])
    )
    answer = _answer(os.getpid())
    half = answer.with_suffix(".half")
    half.write_text(json.dumps(found))
    half.rename(answer)


def _answer(pid: int) -> Path:
    return Path(tempfile.gettempdir()) / f"earful-census-{pid}.json"
