"""Memory stays where it is while sessions come and go.

    python bench/churn.py [--sessions 20000]

Half of the sessions, a look at the server's resident memory, the other half, another look: at most 2 MB
more. One in five leaves without a word, in turn by RST and FIN; the others say `stop`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from itertools import count

from crowd import STOP, Stream, warm_up
from report import Report, progress, run
from serving import Server, served
from wire import TEXT, connect

MOST_MB = 2.0
AT_ONCE = 40
END_WITHIN_S = 60.0
_CHUNKS = 3
_IMPOLITE = 5
_PER_ADDRESS = 4000
"""A socket's port rests for a minute after use: each source address has 28,000."""


async def live_briefly(number: int, port: int) -> None:
    """Hold one short session."""
    stream = Stream(number)
    await connect(stream, port, source=f"127.0.0.{2 + number // _PER_ADDRESS % 250}")
    for _ in range(_CHUNKS):
        stream.speak(time.perf_counter())
    if number % _IMPOLITE:
        stream.send(TEXT, STOP)
    elif number % (2 * _IMPOLITE):
        stream.reset()
    else:
        stream.transport.close()
    async with asyncio.timeout(END_WITHIN_S):
        await stream.gone


async def churn(port: int, first: int, sessions: int) -> None:
    """Hold so many sessions, some at a time."""
    numbers = count(first)

    async def worker() -> None:
        while (number := next(numbers)) < first + sessions:
            await live_briefly(number, port)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def _settled_mb(server: Server, since: int) -> float:
    """Resident MB once everybody has left for three seconds."""
    await server.event("idle", since)
    return server.resident_bytes() / 1e6


async def measure(sessions: int) -> int:
    """Measure once; the exit code."""
    report = Report("churn")
    half = sessions // 2
    with served() as server:
        await warm_up(server.port)
        report.note("MB at first", round(await _settled_mb(server, 0), 1))
        after: list[float] = []
        for nth in range(2):
            progress(f"sessions {nth * half} to {(nth + 1) * half}")
            since, began = server.read_log(), time.perf_counter()
            await churn(server.port, nth * half, half)
            report.note(f"sessions/s, half {nth + 1}", round(half / (time.perf_counter() - began)))
            after.append(await _settled_mb(server, since))
            report.note(f"MB after half {nth + 1}", round(after[-1], 1))
        report.most("MB more after the second half", round(after[1] - after[0], 2), MOST_MB)
        ended = sum(line["event"] == "session ended" for line in server.lines)
        report.equal("sessions ended", ended, 2 * half + 1)
        report.equal("faults in the log", len(server.faults()), 0)
        report.equal("exit code", server.stop(), 0)
    return report.finish()


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20_000)
    return run(measure(parser.parse_args().sessions))


if __name__ == "__main__":
    sys.exit(main())
