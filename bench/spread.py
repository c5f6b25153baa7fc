"""Connections spread evenly over the workers of one port.

    python bench/spread.py [--workers 4] [--connections 1000] [--at-once 100]

Opens sessions, so many at a time, and holds them; each worker then says how many it has. Chance alone puts
the fullest of four about one standard deviation above the mean: four of them would be another thing than chance.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time

from report import Report, progress, run
from serving import Server, served
from wire import Peer, connect

MOST_DEVIATIONS = 4.0
FOUND_WITHIN_S = 20.0


async def open_sessions(port: int, connections: int, at_once: int) -> list[Peer]:
    """So many sessions, held."""
    peers = [Peer() for _ in range(connections)]
    for first in range(0, connections, at_once):
        await asyncio.gather(*(connect(peer, port) for peer in peers[first : first + at_once]))
    return peers


async def sessions_by_worker(server: Server, workers: int) -> dict[int, int]:
    """Ask on new connections until every worker has answered."""
    found: dict[int, int] = {}
    async with asyncio.timeout(FOUND_WITHIN_S):
        while len(found) < workers:
            worker = (await server.get("/v1/health"))["worker"]
            found[worker["slot"]] = worker["active_sessions"]
    return dict(sorted(found.items()))


async def measure(workers: int, connections: int, at_once: int) -> int:
    """Measure once; the exit code."""
    report = Report("spread")
    with served(workers=workers, max_sessions=connections) as server:
        await sessions_by_worker(server, workers)  # All are there.
        progress(f"opening {connections} connections, {at_once} at once")
        began = time.perf_counter()
        peers = await open_sessions(server.port, connections, at_once)
        report.note("connections/s", round(connections / (time.perf_counter() - began)))
        counts = await sessions_by_worker(server, workers)
        for slot, count in counts.items():
            report.note(f"worker {slot}", count)
        report.equal("together", sum(counts.values()), connections)
        mean = connections / workers
        deviation = math.sqrt(mean * (1 - 1 / workers))
        report.note("fullest over mean", round(max(counts.values()) / mean, 3))
        report.most("deviations of the fullest", round((max(counts.values()) - mean) / deviation, 2), MOST_DEVIATIONS)
        for peer in peers:
            peer.transport.abort()
        report.equal("exit code", server.stop(), 0)
    return report.finish()


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=100)
    wanted = parser.parse_args()
    return run(measure(wanted.workers, wanted.connections, wanted.at_once))


if __name__ == "__main__":
    sys.exit(main())
