"""Nobody's trouble becomes anybody else's.

python bench/abuse.py readers [--sessions 1000]   ten clients stop reading: 4208, and in time
python bench/abuse.py neighbours [--pairs 5]      p99 of 200 streams without and beside one abuser
python bench/abuse.py                             both
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from abuser import KINDS
from crowd import Stream, gather_crowd, percentile, speak, wait_for, warm_up
from report import Report, progress, run
from serving import served
from wire import TEXT, connect

if TYPE_CHECKING:
    from serving import Server

LAZY = 10
LAZY_BUFFER_BYTES = 4096
LAZY_START = b'{"type":"start","words":true,"partials":"cumulative"}'
MAX_UNSENT_S = 3.0
FULL_WITHIN_S = 90.0
SLOW_READER = 4208
_LOOK_EVERY_S = 0.25
_SWEEP_S = 0.25

NEIGHBOURS = 200
NEIGHBOUR_CHUNK_MS = 200
WINDOW_S = 6.0
SETTLE_S = 1.5
MOST_SHARE = 0.10
MOST_MS = 5.0


class Window:
    """A while in which the neighbours' latencies are looked at."""

    def __init__(self, streams: list[Stream]) -> None:
        """Use `p99_ms`."""
        self._streams = streams

    async def p99_ms(self, seconds: float) -> float:
        """The p99 of what is answered within the next `seconds`."""
        for stream in self._streams:
            stream.latencies_s.clear()
        await asyncio.sleep(seconds)
        return percentile([latency for stream in self._streams for latency in stream.latencies_s], 0.99) * 1000


class Abuser:
    """`abuser.py` in its process, waiting to be let loose."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Use `start`."""
        self._process = process

    @classmethod
    async def start(cls, kind: str, port: int) -> Abuser:
        """Start one of this kind."""
        script, pipe = str(Path(__file__).with_name("abuser.py")), asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(sys.executable, script, kind, str(port), stdin=pipe, stdout=pipe)
        )

    def attack(self, seconds: float) -> None:
        """Let it loose for so long."""
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.write(f"{seconds}\n".encode())

    async def tell(self, within_s: float) -> dict[str, int]:
        """What it got through, once its attack is over."""
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        async with asyncio.timeout(within_s):
            return dict(json.loads(await self._process.stdout.readline()))

    def kill(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.kill()


async def meet_abusers(report: Report, pairs: int) -> None:
    """Measure the neighbours without and beside each kind of abuser, in turn."""
    with served() as server:
        await warm_up(server.port)
        streams = [Stream(number, NEIGHBOUR_CHUNK_MS) for number in range(NEIGHBOURS)]
        await gather_crowd(streams, server.port)
        abusers = {kind: await Abuser.start(kind, server.port) for kind in KINDS}
        late_ms: list[float] = []
        talking = asyncio.create_task(speak(streams, 3600, late_ms=late_ms))
        try:
            await asyncio.sleep(WINDOW_S)
            await _measure_pairs(report, Window(streams), abusers, pairs)
        finally:
            talking.cancel()
            for abuser in abusers.values():
                abuser.kill()
        report.note("load late p99 ms", round(percentile(late_ms, 0.99), 2))
        report.equal("neighbours alive", sum(not stream.gone.done() for stream in streams), NEIGHBOURS)
        report.equal("faults in the log", len(server.faults()), 0)


async def _measure_pairs(report: Report, window: Window, abusers: dict[str, Abuser], pairs: int) -> None:
    quiet: dict[str, list[float]] = {kind: [] for kind in abusers}
    beside: dict[str, list[float]] = {kind: [] for kind in abusers}
    through: dict[str, int] = dict.fromkeys(abusers, 0)
    for nth in range(pairs):
        progress(f"round {nth + 1} of {pairs}")
        for kind, abuser in abusers.items():
            quiet[kind].append(await window.p99_ms(WINDOW_S))
            abuser.attack(WINDOW_S + 0.5)
            await asyncio.sleep(0.5)
            beside[kind].append(await window.p99_ms(WINDOW_S))
            through[kind] += (await abuser.tell(30))["messages"]
            await asyncio.sleep(SETTLE_S)
    for kind in abusers:
        _judge_pairs(report, kind, quiet[kind], beside[kind])
        report.note(f"{kind}: messages sent a second", round(through[kind] / pairs / WINDOW_S))


def _judge_pairs(report: Report, kind: str, quiet: list[float], beside: list[float]) -> None:
    moved = statistics.median(after - before for before, after in zip(quiet, beside, strict=True))
    before = statistics.median(quiet)
    report.note(f"{kind}: p99 ms without", round(before, 1))
    report.note(f"{kind}: p99 ms beside", round(statistics.median(beside), 1))
    report.most(f"{kind}: p99 moved by ms", round(moved, 1), round(max(MOST_MS, MOST_SHARE * before), 1))


class Lazy(Stream):
    """A client that stops reading, and when the server noticed."""

    def __init__(self, number: int) -> None:
        """Speak as voice `number`, in chunks of 100 ms."""
        super().__init__(number, 100)
        self.free_at = 0.0
        """When the server was last seen with nothing unsent; then the buffers were not full."""
        self.closed_at = 0.0

    async def watch(self, server: Server, since: int) -> None:
        """Look until the server has closed it; then read on, and find the close."""
        end = time.perf_counter() + FULL_WITHIN_S
        while self._end_of(server, since) is None and time.perf_counter() < end:
            asked_at = time.perf_counter()
            view = await server.get(f"/v1/sessions/{self.session_id}")
            if view.get("unsent_bytes") == 0:
                self.free_at = asked_at
            await asyncio.sleep(_LOOK_EVERY_S)
        self.closed_at = time.perf_counter()
        if not self.transport.is_closing():
            self.transport.resume_reading()
        await wait_for(self.gone.done, 10)

    def _end_of(self, server: Server, since: int) -> str | None:
        """Why the server ended it, by its log."""
        server.read_log()
        ends = (line for line in server.lines[since:] if line["event"] == "session ended")
        return next((str(line["reason"]) for line in ends if line["session"] == self.session_id), None)


async def stop_reading(report: Report, sessions: int) -> None:
    """Ten of so many clients stop reading."""
    settings = {"max_unsent_s": MAX_UNSENT_S, "mock_words_per_chunk": 10, "max_sessions": sessions + 10}
    with served(**settings) as server:
        await warm_up(server.port)
        streams = [Stream(number) for number in range(sessions - LAZY)]
        lazy = [Lazy(sessions + number) for number in range(LAZY)]
        progress(f"{sessions} sessions speak, {LAZY} of them do not read")
        await gather_crowd(streams, server.port)
        for stream in lazy:
            await connect(stream, server.port, receive_buffer_bytes=LAZY_BUFFER_BYTES)
            stream.send(TEXT, LAZY_START)
            await wait_for(lambda stream=stream: bool(stream.others), 10)  # type: ignore[misc]  # bound on purpose
            stream.transport.pause_reading()
        since = server.read_log()
        talking = [asyncio.create_task(speak(some, 3600)) for some in (streams, lazy)]
        try:
            await asyncio.gather(*(stream.watch(server, since) for stream in lazy))
        finally:
            for task in talking:
                task.cancel()
        _judge_lazy(report, lazy)
        report.equal("readers alive", sum(not stream.gone.done() for stream in streams), len(streams))
        report.equal("faults in the log", len(server.faults()), 0)


def _judge_lazy(report: Report, lazy: list[Lazy]) -> None:
    took_s = [stream.closed_at - stream.free_at for stream in lazy]
    report.equal("closed with 4208", sum(stream.close_code == SLOW_READER for stream in lazy), LAZY)
    bound_s = MAX_UNSENT_S + _SWEEP_S + 2 * _LOOK_EVERY_S  # The sweep's step, and ours at both ends.
    report.most("seconds from full buffers to the close, worst", round(max(took_s), 2), bound_s)
    report.note("seconds from full buffers to the close, median", round(statistics.median(took_s), 2))


async def measure(part: str, sessions: int, pairs: int) -> int:
    """Run the part that is asked for; the exit code."""
    report = Report("abuse")
    if part != "neighbours":
        await stop_reading(report, sessions)
    if part != "readers":
        await meet_abusers(report, pairs)
    return report.finish()


def main() -> int:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("readers", "neighbours", "both"), default="both")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    wanted = parser.parse_args()
    return run(measure(wanted.part, wanted.sessions, wanted.pairs))


if __name__ == "__main__":
    sys.exit(main())
