"""What the directory in Redis costs: a worker's CPU for a claim, a draw, an exchange; bytes in Redis for a session.

    python bench/directory.py [--sessions 2000]

Starts a redis-server of its own, which must be installed. A claim is made at a start or a resume, an exchange once
a second, with as many sessions in it as began, and a slice of the others; a draw when a tenant that has a rate begins.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from earful.store.opening import directory_at
from earful.store.values import Claim, Draw, Entry, Report
from report import Report as Figures
from report import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from earful.store.directory import Directory

HOST, PORT = "127.0.0.1", 26_500
EXPIRES_S = 300.0
DETAIL = b"x" * 200
TENANTS = 20
EXCHANGES = 30
SIZES = (0, 10, 100, 500)
FIRST_SLICE = 500


@contextmanager
def redis_server() -> Iterator[Redis]:
    """A server that keeps nothing on disk, and a way to ask it."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not installed")
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(PORT), "--bind", HOST, "--save", "", "--dir", folder]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)  # noqa: S603 - found above
        try:
            yield Redis(host=HOST, port=PORT, retry=Retry(ConstantBackoff(0.05), 100))
        finally:
            process.terminate()
            process.wait(10)


async def cost(times: int, step: Callable[[int], Awaitable[object]]) -> tuple[int, float]:
    """Microseconds of this process's CPU, and milliseconds in all, for each of so many steps in a row."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for nth in range(times):
        await step(nth)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return round(cpu_s / times * 1e6), round(wall_s / times * 1000, 2)


def name(nth: int) -> str:
    """A session's id, as long as they are."""
    return f"session-{nth:014}"


def report(first: int, size: int, sessions: int) -> Report:
    """A report with so many of the worker's sessions in it."""
    entries = (Entry(name(nth), f"tenant-{nth % TENANTS}", 0, 0.0, DETAIL) for nth in range(first, first + size))
    counts = {f"tenant-{nth}": sessions // TENANTS for nth in range(TENANTS)}
    return Report(tuple(entries), (), counts, {f"number-{nth}": 1.0 for nth in range(30)}, DETAIL, EXPIRES_S)


async def measure(directory: Directory, server: Redis, sessions: int, figures: Figures) -> None:
    """Everything, for a worker with so many sessions."""
    await directory.open()
    empty = used_bytes(server)
    claiming = await cost(sessions, lambda nth: directory.claim(Claim(name(nth), "tenant", 0, EXPIRES_S)))
    noted = used_bytes(server)
    for first in range(0, sessions, FIRST_SLICE):
        await directory.exchange(report(first, FIRST_SLICE, sessions))
    listed = used_bytes(server)
    figures.note("claim: us of CPU, ms", str(claiming))
    drawing = await cost(sessions, lambda nth: directory.draw([Draw(f"tenant-{nth % TENANTS}", 10.0, 1)]))
    figures.note("draw: us of CPU, ms", str(drawing))
    for size in SIZES:
        told = report(0, size, sessions)
        exchanging = await cost(EXCHANGES, partial(again, directory, told))
        figures.note(f"exchange with {size} sessions in it: us of CPU, ms", str(exchanging))
    figures.note("page of 100: us of CPU, ms", str(await cost(EXCHANGES, lambda _: directory.page("", 100, None))))
    figures.note("bytes in Redis for a note", (noted - empty) // sessions)
    figures.note("bytes in Redis for a session in the list", (listed - noted) // sessions)


async def again(directory: Directory, told: Report, _: int) -> None:
    """The same exchange."""
    await directory.exchange(told)


def used_bytes(server: Redis) -> int:
    """What the server holds."""
    return int(server.info("memory")["used_memory"])


async def main(sessions: int) -> int:
    """Measure; the exit code."""
    figures = Figures("directory")
    with redis_server() as server, server:
        server.ping()
        directory = directory_at(f"redis://{HOST}:{PORT}")
        await measure(directory, server, sessions, figures)
        await directory.close()
    return figures.finish()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=2000)
    sys.exit(run(main(parser.parse_args().sessions)))
