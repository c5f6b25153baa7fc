"""What a scrape costs while a worker serves: its time as Prometheus sees it, its series, and its CPU.

    python bench/scrape.py [--streams 1000] [--scrapes 20] [--chunk-ms 250]

A scrape waits for its turn among the chunks: what the streams themselves cost is in its time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from typing import TYPE_CHECKING

from crowd import START, Stream, gather_crowd, percentile, speak, warm_up
from report import Report, progress, run
from serving import ASK_WITHIN_S, served

if TYPE_CHECKING:
    from serving import Server

PROMISED_MS = 50.0
MOST_SERIES = 2000
EVERY_S = 0.5
SETTLE_S = 3.0
"""Before the first scrape, so that everybody has begun."""


async def measure(streams: int, scrapes: int, chunk_ms: int) -> int:
    """Scrape while all speak; the exit code."""
    report = Report("scrape")
    with served(max_sessions=streams + 10) as server:
        await warm_up(server.port)
        crowd = [Stream(number, chunk_ms) for number in range(streams)]
        await gather_crowd(crowd, server.port, START)
        progress(f"{streams} streams speak, {scrapes} scrapes")
        talk = asyncio.create_task(speak(crowd, SETTLE_S + (scrapes + 2) * EVERY_S, lambda: True))
        await asyncio.sleep(SETTLE_S)
        await _scrape(server)  # The first one loads prometheus-client.
        times_s, text = [], b""
        for _ in range(scrapes):
            await asyncio.sleep(EVERY_S)
            began = time.perf_counter()
            text = await _scrape(server)
            times_s.append(time.perf_counter() - began)
        await talk
    samples = [line for line in text.splitlines() if line and not line.startswith(b"#")]
    report.note("streams", streams)
    report.note("scrape ms, p50", round(percentile(times_s, 0.5) * 1000, 1))
    report.most("scrape ms, longest", round(max(times_s) * 1000, 1), PROMISED_MS)
    report.most("series", len(samples), MOST_SERIES)
    report.note("bytes", len(text))
    return report.finish()


async def _scrape(server: Server) -> bytes:
    """The text."""
    async with asyncio.timeout(ASK_WITHIN_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--scrapes", type=int, default=20)
    parser.add_argument("--chunk-ms", type=int, default=250)
    wanted = parser.parse_args()
    return run(measure(wanted.streams, wanted.scrapes, wanted.chunk_ms))


if __name__ == "__main__":
    sys.exit(main())
