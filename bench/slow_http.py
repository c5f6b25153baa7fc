"""Clients that take their time over HTTP, by slowhttptest: the p99 of live streams beside them moves hardly.

python bench/slow_http.py [--pairs 5] [--connections 1000] [--streams 200]

Headers that never end, bodies that trickle into an upload, answers that are hardly read. Needs Debian's slowhttptest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import statistics
import sys

from abuse import MOST_MS, NEIGHBOUR_CHUNK_MS, SETTLE_S, WINDOW_S, Window
from crowd import Stream, gather_crowd, percentile, speak, warm_up
from report import Report, progress, run
from serving import served

ATTACKS = {
    "slow headers": ("-H", "/v1/health", "-i", "1"),
    "slow body": ("-B", "/v1/transcribe", "-i", "1", "-s", "1000000"),
    "slow read": ("-X", "/static-offline-docs/swagger-ui-bundle.js", "-n", "1", "-z", "5", "-k", "1"),
}
MOST_SHARE = 0.05
_ARRIVING_S = 20.0
"""How long they take to come, 50 a second as slowhttptest has it: what is measured is slow clients, and no flood."""
_END_WITHIN_S = 30.0
_NICENESS = 10
_CONNECTED = re.compile(rb"connected:\s*(\d+)")
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


class Attack:
    """One run of slowhttptest."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Use `start`."""
        self._process = process

    @classmethod
    async def start(cls, kind: str, port: int, connections: int) -> Attack:
        """Let it loose for a window and what it needs to connect."""
        mode, path, *flags = ATTACKS[kind]
        url = f"http://127.0.0.1:{port}{path}"
        rate = str(max(1, round(connections / _ARRIVING_S)))
        seconds = str(round(WINDOW_S + _ARRIVING_S))
        return cls(
            await asyncio.create_subprocess_exec(
                "slowhttptest",
                *(mode, "-u", url, "-c", str(connections), "-r", rate, "-l", seconds, "-v", "1", *flags),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=lambda: os.nice(_NICENESS),
            )
        )

    async def end(self) -> int:
        """Wait for it: the most connections that it had at once."""
        async with asyncio.timeout(_END_WITHIN_S):
            told, _ = await self._process.communicate()
        return max((int(count) for count in _CONNECTED.findall(_COLOUR.sub(b"", told))), default=0)


async def measure(pairs: int, connections: int, neighbours: int) -> int:
    """Measure the streams without and beside each attack, in turn; the exit code."""
    report = Report("slow_http")
    with served() as server:
        await warm_up(server.port)
        streams = [Stream(number, NEIGHBOUR_CHUNK_MS) for number in range(neighbours)]
        await gather_crowd(streams, server.port)
        late_ms: list[float] = []
        talking = asyncio.create_task(speak(streams, 3600, late_ms=late_ms))
        try:
            await asyncio.sleep(WINDOW_S)
            for kind in ATTACKS:
                progress(kind)
                await _measure_one(report, kind, server.port, Window(streams), pairs, connections)
        finally:
            talking.cancel()
        report.note("load late p99 ms", round(percentile(late_ms, 0.99), 2))
        report.equal("streams alive", sum(not stream.gone.done() for stream in streams), neighbours)
        report.equal("faults in the log", len(server.faults()), 0)
    return report.finish()


async def _measure_one(report: Report, kind: str, port: int, window: Window, pairs: int, connections: int) -> None:
    quiet, beside, had = [], [], 0
    for _ in range(pairs):
        quiet.append(await window.p99_ms(WINDOW_S))
        attack = await Attack.start(kind, port, connections)
        beside.append(await window.p99_ms(WINDOW_S + _ARRIVING_S))
        had = max(had, await attack.end())
        await asyncio.sleep(SETTLE_S)
    before = statistics.median(quiet)
    moved = statistics.median(after - earlier for earlier, after in zip(quiet, beside, strict=True))
    report.note(f"{kind}: connections at once", had)
    report.note(f"{kind}: p99 ms without", round(before, 1))
    report.note(f"{kind}: p99 ms beside", round(statistics.median(beside), 1))
    report.most(f"{kind}: p99 moved by ms", round(moved, 1), round(max(MOST_MS, MOST_SHARE * before), 1))


def main() -> int:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=200)
    wanted = parser.parse_args()
    if shutil.which("slowhttptest") is None:
        print("This needs slowhttptest: apt-get install slowhttptest on Debian.", file=sys.stderr)
        return 2
    return run(measure(wanted.pairs, wanted.connections, wanted.streams))


if __name__ == "__main__":
    sys.exit(main())
