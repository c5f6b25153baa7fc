"""How soon a worker that was killed is followed by one that is ready.

    python bench/recovery.py [--workers 2] [--kills 20]

Kills a worker (SIGKILL), then asks on new connections until its slot answers with another process, ready:
at most a second. Two seconds lie between kills of one worker; those that die faster may be made to wait.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import sys
import time

from report import Report, progress, run
from serving import Server, served

MOST_MS = 1000.0
QUICK_S = 2.2
FOLLOWED_WITHIN_S = 20.0


async def killed(server: Server, slot: int) -> float:
    """Kill the worker in a slot; seconds until another is ready there."""
    started = [line for line in server.lines if line["event"] == "worker started" and line["worker"] == slot]
    since = server.read_log()
    began = time.perf_counter()
    os.kill(started[-1]["pid"], signal.SIGKILL)
    async with asyncio.timeout(FOLLOWED_WITHIN_S):
        # Whoever asks a dead worker's slot waits in its queue: the first answer from there is the successor's.
        while not await _is_ready(server, slot) or server.first("worker started", since) is None:
            pass
    return time.perf_counter() - began


async def _is_ready(server: Server, slot: int) -> bool:
    try:
        health = await server.get("/v1/health")
    except (ConnectionError, ValueError):  # It died with our question.
        return False
    return bool(health["status"] == "ok" and health["worker"]["slot"] == slot)


async def measure(workers: int, kills: int) -> int:
    """Measure once; the exit code."""
    report = Report("recovery")
    took_ms: list[float] = []
    with served(workers=workers) as server:
        for nth in range(kills):
            progress(f"kill {nth + 1} of {kills}")
            await asyncio.sleep(QUICK_S / workers)
            server.read_log()
            took_ms.append(await killed(server, nth % workers) * 1000)
        report.note("ms, median", round(statistics.median(took_ms), 1))
        report.most("ms, longest", round(max(took_ms), 1), MOST_MS)
        report.equal("workers died", sum(line["event"] == "worker died" for line in server.lines), kills)
        report.equal("exit code", server.stop(), 0)
    return report.finish()


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=20)
    wanted = parser.parse_args()
    return run(measure(wanted.workers, wanted.kills))


if __name__ == "__main__":
    sys.exit(main())
