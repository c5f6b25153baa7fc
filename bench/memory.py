"""Memory per session: connected, after 10 s of speech, and idle again.

    python bench/memory.py [--sessions 300]

Resident memory of the server beyond what it had after a warm-up, divided by the sessions; below 100 KB each.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from crowd import START, Stream, gather_crowd, percentile, speak, wait_for, warm_up
from report import Report, progress, run
from serving import Server, served

MOST_KB = 100.0
SPEECH_S = 10
SETTLE_S = 2.0
QUIET_S = 5.0


async def measure(sessions: int) -> int:
    """Measure once; the exit code."""
    report = Report("memory")
    with served(max_sessions=sessions + 10) as server:
        await warm_up(server.port)
        await server.event("idle")
        before = server.resident_bytes()
        streams = [Stream(number) for number in range(sessions)]
        progress(f"connecting {sessions} sessions")
        await gather_crowd(streams, server.port, START)
        await asyncio.sleep(SETTLE_S)
        _tell(report, "connected", server, before, sessions)
        progress(f"speaking for {SPEECH_S} s")
        await speak(streams, SPEECH_S)
        await wait_for(lambda: all(stream.is_answered for stream in streams), SETTLE_S)
        _tell(report, "after speech", server, before, sessions)
        await asyncio.sleep(QUIET_S)
        _tell(report, "idle again", server, before, sessions)
        report.equal("sessions alive", await server.active_sessions(), sessions)
        latencies_s = [latency for stream in streams for latency in stream.latencies_s]
        report.note("p99 ms while speaking", round(percentile(latencies_s, 0.99) * 1000, 1))
        report.note("server alone MB", round(before / 1e6, 1))
    return report.finish()


def _tell(report: Report, name: str, server: Server, before: int, sessions: int) -> None:
    each = (server.resident_bytes() - before) / sessions / 1000
    report.most(f"KB each, {name}", round(each, 1), MOST_KB)


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=300)
    return run(measure(parser.parse_args().sessions))


if __name__ == "__main__":
    sys.exit(main())
