"""Nothing is left behind, whatever the client does.

    python bench/leaving.py [--sessions 1000] [--seconds 60]    all speak, then leave in ten ways
    python bench/leaving.py --sweep                             leave after every message of a conversation

The baseline is what the worker's "idle" line says after one warm-up session; descriptors, tasks and
buffered bytes must be exactly that again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from crowd import START, Stream, gather_crowd, speak, wait_for, warm_up
from report import Report, progress, run
from serving import Line, raise_file_limit, served
from sweep import sweep
from truth import Told, truth_of
from voice import Voice
from ways import WAYS, Proxy, leave, way_of

if TYPE_CHECKING:
    from serving import Server

CHUNK_MS = 500
ANSWER_WITHIN_S = 20.0
GONE_WITHIN_S = 10.0
SETTINGS = {"ping_interval_s": 2, "ping_timeout_s": 2, "max_unsent_s": 3, "handshake_timeout_s": 5}
SAME_AS_BEFORE = (
    "sessions",
    "slots",
    "uploads",
    "open_files",
    "tasks",
    "buffered_bytes",
    "unsent_bytes",
    "model_calls",
    "orphaned_calls",
)
_KILLED = WAYS.index("killed")


class Crowd:
    """Some of the sessions, in one process: they speak, and know what they must have been told."""

    def __init__(self, numbers: range | list[int], chunks: int) -> None:
        """Work out the finals that each must get (25 ms of work for a minute)."""
        self._chunks = chunks
        self.due: dict[int, list[Told]] = {}
        self.streams: list[Stream] = []
        self._numbers = numbers
        for number in numbers:
            truth = truth_of(Voice(number, CHUNK_MS), chunks)
            self.due[number] = list(truth.finals)

    async def connect(self, port: int, proxied_port: int) -> None:
        """Connect everybody; who leaves by `no packet` through the proxy."""
        self.streams = [Stream(number, CHUNK_MS) for number in self._numbers]
        hidden = [stream for stream in self.streams if way_of(stream.number) == "no packet"]
        plain = [stream for stream in self.streams if way_of(stream.number) != "no packet"]
        await gather_crowd(plain, port)
        await gather_crowd(hidden, proxied_port, START)

    async def speak(self) -> None:
        """Speak all chunks and wait for the answers."""
        await speak(self.streams, self._chunks * CHUNK_MS / 1000)
        await wait_for(self._is_answered, ANSWER_WITHIN_S)

    def verdict(self) -> dict[str, int]:
        """How many finals came, and of how many sessions any is wrong, missing or too many."""
        wrong = [stream.number for stream in self.streams if stream.finals != self.due[stream.number]]
        return {
            "finals": sum(len(stream.finals) for stream in self.streams),
            "wrong": len(wrong),
            "lost": sum(stream.gone.done() for stream in self.streams),
            "errors": sum(other["type"] == "error" for stream in self.streams for other in stream.others),
        }

    def _is_answered(self) -> bool:
        return all(len(stream.finals) >= len(self.due[stream.number]) for stream in self.streams)


async def be_killed(port: int, sessions: int, chunks: int) -> int:
    """The part of the crowd that lives in a process of its own, until it is killed."""
    raise_file_limit()
    crowd = Crowd(range(_KILLED, sessions, len(WAYS)), chunks)
    await crowd.connect(port, port)
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await crowd.speak()
    print(json.dumps(crowd.verdict()), flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # Ends also where the parent does.
    return 0


class Child:
    """`be_killed` in its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Use `start`."""
        self._process = process

    @classmethod
    async def start(cls, port: int, sessions: int, chunks: int) -> Child:
        """Start the process; returns when its sessions are connected."""
        arguments = (__file__, "--sessions", str(sessions), "--chunks", str(chunks), "--killed-on", str(port))
        pipe = asyncio.subprocess.PIPE
        child = cls(await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=pipe, stdout=pipe))
        await child._line(120)
        return child

    def speak(self) -> None:
        """Let it speak."""
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.write(b"\n")

    async def verdict(self, within_s: float) -> dict[str, int]:
        """What became of its sessions' finals."""
        return dict(json.loads(await self._line(within_s)))

    def kill(self) -> None:
        """SIGKILL: its kernel closes the sockets."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _line(self, within_s: float) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        async with asyncio.timeout(within_s):
            return await self._process.stdout.readline()


async def leave_in_ten_ways(sessions: int, chunks: int) -> int:
    """Run it once; the exit code."""
    report = Report("leaving")
    progress("working out the finals")
    mine = Crowd([number for number in range(sessions) if number % len(WAYS) != _KILLED], chunks)
    with served(max_sessions=sessions + 10, **SETTINGS) as server:
        await warm_up(server.port)
        baseline = await server.event("idle")
        proxy = Proxy(server.port)
        progress(f"connecting {sessions} sessions")
        child = await Child.start(server.port, sessions, chunks)
        try:
            await mine.connect(server.port, await proxy.open())
            report.equal("sessions at once", await server.active_sessions(), sessions)
            progress(f"speaking for {chunks * CHUNK_MS / 1000:g} s")
            child.speak()
            await mine.speak()
            _judge(report, mine.verdict(), await child.verdict(ANSWER_WITHIN_S + 5))
            since = server.read_log()
            progress("leaving")
            began = time.perf_counter()
            child.kill()
            proxy.go_silent()
            await asyncio.gather(*(leave(stream, server.port) for stream in mine.streams))
            await _watch_them_go(report, server, began)
        finally:
            child.kill()
        _judge_last_finals(report, mine, chunks)
        _compare(report, baseline, await server.event("idle", since), server)
        _tell_reasons(report, server.lines[since:])
        report.equal("exit code", server.stop(), 0)
    return report.finish()


def _judge(report: Report, *verdicts: dict[str, int]) -> None:
    total: dict[str, int] = {name: sum(verdict[name] for verdict in verdicts) for name in verdicts[0]}
    report.note("finals", total["finals"])
    report.equal("sessions with a wrong, missing or extra final", total["wrong"], 0)
    report.equal("sessions lost while speaking", total["lost"], 0)
    report.equal("errors told", total["errors"], 0)


async def _watch_them_go(report: Report, server: Server, began: float) -> None:
    gone_s = GONE_WITHIN_S * 2
    while time.perf_counter() - began < GONE_WITHIN_S * 2:
        if await server.active_sessions() == 0:
            gone_s = time.perf_counter() - began
            break
        await asyncio.sleep(0.05)
    report.most("seconds until active_sessions is 0", round(gone_s, 2), GONE_WITHIN_S)


def _judge_last_finals(report: Report, crowd: Crowd, chunks: int) -> None:
    """Who said `stop` must have got the last final too, and the close that belongs to it."""
    wrong = 0
    for stream in crowd.streams:
        if way_of(stream.number) == "stop":
            truth = truth_of(stream.voice, chunks)
            truth.stop()
            wrong += stream.finals != truth.finals or stream.close_code != 1000  # noqa: PLR2004 - a normal end
    report.equal("wrong ends after stop", wrong, 0)


def _compare(report: Report, before: Line, after: Line, server: Server) -> None:
    for name in SAME_AS_BEFORE:
        report.equal(f"{name} afterwards", after[name], before[name])
    report.note("resident MB before", round(before["resident_bytes"] / 1e6, 1))
    report.note("resident MB afterwards", round(after["resident_bytes"] / 1e6, 1))
    report.equal("faults in the log", len(server.faults()), 0)
    for fault in server.faults()[:5]:
        print(fault, file=sys.stderr)


def _tell_reasons(report: Report, lines: list[dict[str, Any]]) -> None:
    reasons = [line["reason"] for line in lines if line["event"] == "session ended"]
    for reason in sorted(set(reasons)):
        report.note(f"ended: {reason}", reasons.count(reason))


async def sweep_conversation() -> int:
    """Leave after every message; the exit code."""
    report = Report("leaving --sweep")
    with served(**SETTINGS) as server:
        await warm_up(server.port)
        baseline = await server.event("idle")
        since = server.read_log()
        await sweep(server.port, report)
        _compare(report, baseline, await server.event("idle", since), server)
        _tell_reasons(report, server.lines[since:])
        report.equal("exit code", server.stop(), 0)
    return report.finish()


def main() -> int:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--chunks", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--killed-on", type=int, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.killed_on:
        return run(be_killed(wanted.killed_on, wanted.sessions, wanted.chunks))
    if wanted.sweep:
        return run(sweep_conversation())
    return run(leave_in_ten_ways(wanted.sessions, round(wanted.seconds * 1000 / CHUNK_MS)))


if __name__ == "__main__":
    sys.exit(main())
