"""Files beside live streams.

python bench/uploads.py clips [--rate 50 --seconds 20]    so many uploads of 5 s a second: their p99
python bench/uploads.py long [--minutes 60 --pairs 5]     one long upload beside 200 streams: their p99, and the memory
python bench/uploads.py                                   both
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from typing import TYPE_CHECKING

from abuse import MOST_MS, MOST_SHARE, NEIGHBOURS, SETTLE_S, WINDOW_S, Window
from crowd import Stream, gather_crowd, percentile, speak, warm_up
from report import Report, progress, run
from serving import served
from voice import Voice

if TYPE_CHECKING:
    from serving import Server

CLIP_S = 5
CLIP_P99_MS = 200.0
LONG_MB = 32.0
CHUNK_MS = 100
ANSWER_WITHIN_S = 300.0


def wav(pcm: bytes, data_bytes: int) -> bytes:
    """The head of a 16 kHz mono s16le file of so many bytes of audio, and some of it."""
    head = b"RIFF" + (36 + data_bytes).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\x01\0\x01\0"
    head += (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little") + b"\x02\0\x10\0data"
    return head + data_bytes.to_bytes(4, "little") + pcm


async def upload(port: int, pieces: list[bytes], repeat: int = 1) -> int:
    """Send these pieces, the last of them so often; the answer's status."""
    size = sum(map(len, pieces[:-1])) + repeat * len(pieces[-1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            writer.write(
                b"POST /v1/transcribe HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size
            )
            for piece in [*pieces[:-1], *([pieces[-1]] * repeat)]:
                writer.write(piece)
                await writer.drain()
            return int((await reader.read()).split(b" ", 2)[1])
    finally:
        writer.close()


async def send_clips(report: Report, rate: int, seconds: int) -> None:
    """So many clips a second, each from the moment it was due to the end of its answer."""
    with served() as server:
        await warm_up(server.port)
        clips = [wav(b"", CLIP_S * 32_000) + Voice(number, CLIP_S * 1000).pcm(0) for number in range(20)]
        took_s: list[float] = []
        statuses: list[int] = []

        async def one(number: int, due: float) -> None:
            statuses.append(await upload(server.port, [clips[number % len(clips)]]))
            took_s.append(time.perf_counter() - due)

        progress(f"{rate} uploads a second")
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(rate * seconds):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(one(number, due))
        report.equal("clips answered with 200", statuses.count(200), rate * seconds)
        report.note("clips p50 ms", round(percentile(took_s, 0.5) * 1000, 1))
        report.most("clips p99 ms", round(percentile(took_s, 0.99) * 1000, 1), CLIP_P99_MS)
        report.equal("faults in the log", len(server.faults()), 0)


async def send_long(report: Report, minutes: int, pairs: int) -> None:
    """The streams' p99 without and beside a long upload, in turn, and what it adds to the server's memory."""
    with served(max_upload_mb=500) as server:
        await warm_up(server.port)
        streams = [Stream(number, CHUNK_MS) for number in range(NEIGHBOURS)]
        await gather_crowd(streams, server.port)
        talking = asyncio.create_task(speak(streams, 3600))
        minute = b"".join(Voice(7, 10_000).pcm(nth) for nth in range(6))
        head = wav(b"", minutes * len(minute))
        try:
            await asyncio.sleep(WINDOW_S)
            await _measure_long(report, server, Window(streams), [head, minute], minutes, pairs)
        finally:
            talking.cancel()
        report.equal("neighbours alive", sum(not stream.gone.done() for stream in streams), NEIGHBOURS)
        report.equal("faults in the log", len(server.faults()), 0)


async def _measure_long(
    report: Report, server: Server, window: Window, pieces: list[bytes], minutes: int, pairs: int
) -> None:
    quiet, beside, took_s, grown_mb = [], [], [], []
    for nth in range(pairs):
        progress(f"round {nth + 1} of {pairs}")
        quiet.append(await window.p99_ms(WINDOW_S))
        before_mb = most_mb = server.resident_bytes() / 1e6
        began = time.perf_counter()
        sending = asyncio.create_task(upload(server.port, pieces, minutes))
        looked = []
        while not sending.done():
            looked.append(await window.p99_ms(1.0))
            most_mb = max(most_mb, server.resident_bytes() / 1e6)
        report.equal(f"upload {nth + 1}", await sending, 200)
        took_s.append(time.perf_counter() - began)
        beside.append(statistics.median(looked))
        grown_mb.append(most_mb - before_mb)
        await asyncio.sleep(SETTLE_S)
    moved = statistics.median(after - before for before, after in zip(quiet, beside, strict=True))
    without = statistics.median(quiet)
    report.note("long upload took s", round(statistics.median(took_s), 1))
    report.note("p99 ms without", round(without, 1))
    report.note("p99 ms beside", round(statistics.median(beside), 1))
    report.most("p99 moved by ms", round(moved, 1), round(max(MOST_MS, MOST_SHARE * without), 1))
    report.most("memory added MB, worst", round(max(grown_mb), 1), LONG_MB)


async def measure(part: str, rate: int, seconds: int, minutes: int, pairs: int) -> int:
    """Run the part that is asked for; the exit code."""
    report = Report("uploads")
    if part != "long":
        await send_clips(report, rate, seconds)
    if part != "clips":
        await send_long(report, minutes, pairs)
    return report.finish()


def main() -> int:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("clips", "long", "both"), default="both")
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=5)
    wanted = parser.parse_args()
    return run(measure(wanted.part, wanted.rate, wanted.seconds, wanted.minutes, wanted.pairs))


if __name__ == "__main__":
    sys.exit(main())
