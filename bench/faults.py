"""The promise over real processes: whatever happens to workers, every client ends with all its finals.

    python bench/faults.py kill [--clients 50] [--seconds 60]    kill -9 of a random one of two workers every 3 s
    python bench/faults.py one                                   the same with a single worker
    python bench/faults.py redis                                 as kill; Redis is frozen, emptied, killed meanwhile
    python bench/faults.py freeze                                SIGSTOP for 5 s, SIGCONT, one worker after the other
    python bench/faults.py rolling [--clients 400] [--workers 4] SIGHUP: all workers replaced under live sessions

Two workers stand behind HAProxy with the configuration of `deploy`. With `--balancer none` clients have the workers'
own ports, and try one after the other. `--store URL` is passed to the workers. Equal means: index, text, times and
reason.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from caller import ATTEMPT_WITHIN_S, CHUNK_MS, Caller, Tally
from crowd import percentile
from fleet import SECRET, Door, Fleet, Redis, haproxy, redis
from report import Report, progress, run
from serving import served
from truth import Told, truth_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from serving import Server

HAPROXY = Path(__file__).parents[1] / "deploy" / "haproxy.cfg"
FREEZE_S = 5.0
SETTLE_S = 3.0
"""Before the first fault, so that everybody has begun."""
ANSWER_WITHIN_S = 30.0
RESUME_P99_S = 1.0
ROLLED_WITHIN_S = 60.0
SUPERSEDED = 4010
_AWAY_S = 3.0
_LATE_S = 1.0


class Crowd:
    """The clients of one run, and the finals they must end with."""

    def __init__(self, wanted: argparse.Namespace, door: Door, *, hangs_up: bool = True) -> None:
        """Work out the truth first: it takes 25 ms for a minute of each client."""
        self.tally = Tally()
        self.door = door
        self._chunks = round(wanted.seconds * 1000 / CHUNK_MS)
        self.callers = [Caller(number, door, self.tally, hangs_up=hangs_up) for number in range(wanted.clients)]
        progress(f"working out what {wanted.clients} clients must hear")
        self._due = [self._truth(caller) for caller in self.callers]

    async def speak(self, faults: Coroutine[None, None, None]) -> None:
        """Let all of them speak while `faults` happen."""
        began = time.perf_counter()
        calls = [
            caller.run(self._chunks, began + nth * CHUNK_MS / 1000 / len(self.callers))
            for nth, caller in enumerate(self.callers)
        ]
        happening = asyncio.create_task(faults)
        try:
            async with asyncio.timeout(self._chunks * CHUNK_MS / 1000 + ANSWER_WITHIN_S):
                await asyncio.gather(*calls)
            progress("everybody was answered")
            await happening
        except TimeoutError:
            progress("not everybody was answered in time")
        finally:
            happening.cancel()

    def judge(self, report: Report, *, in_time: bool = True) -> None:
        """The promise, and how long it took; `in_time`: that too was promised."""
        wrong = [nth for nth, caller in enumerate(self.callers) if caller.finals != self._due[nth]]
        tally = self.tally
        report.note("finals", sum(len(caller.finals) for caller in self.callers))
        report.equal("clients with a wrong, missing or extra final", len(wrong), 0)
        report.equal("fragments left", sum(len(caller.speaker.fragments) for caller in self.callers), 0)
        unexpected = [code for code in tally.errors if code != "draining"]
        report.equal("errors told", len(unexpected), 0)
        report.note("resumes", len(tally.resume_s))
        report.note("resume ms, p50", round(percentile(tally.resume_s, 0.5) * 1000, 1))
        resume_p99_s = percentile(tally.resume_s, 0.99)
        if in_time:
            report.most("resume ms, p99", round(resume_p99_s * 1000, 1), RESUME_P99_S * 1000)
            report.most("latest chunk, s", round(tally.late_s, 3), _LATE_S)
        else:
            report.note("resume ms, p99", round(resume_p99_s * 1000, 1))
            report.note("latest chunk, s", round(tally.late_s, 3))
        report.note("ms from the fault, p50", round(percentile(tally.since_fault_s, 0.5) * 1000))
        report.note("ms from the fault, p99", round(percentile(tally.since_fault_s, 0.99) * 1000))
        report.note("attempts refused", tally.refused)
        report.note(f"attempts unanswered for {ATTEMPT_WITHIN_S:g} s", tally.unanswered)
        for nth in wrong[:3]:
            print(f"client {nth}:\n  {self.callers[nth].finals}\n  {self._due[nth]}", file=sys.stderr)

    def _truth(self, caller: Caller) -> list[Told]:
        truth = truth_of(caller.voice, self._chunks)
        truth.stop()
        return truth.finals


@contextlib.asynccontextmanager
async def standing(wanted: argparse.Namespace, workers: int) -> AsyncIterator[tuple[Fleet, Door]]:
    """Workers and the door to them."""
    settings = {"store": wanted.store} if wanted.store else {}
    async with Fleet(workers, max_sessions=wanted.clients + 50, **settings) as fleet:
        with contextlib.ExitStack() as scope:
            ports = fleet.ports
            if wanted.balancer == "haproxy" and workers == 2:  # noqa: PLR2004 - as many as its configuration has
                ports = [scope.enter_context(haproxy(HAPROXY, ports))]
            yield fleet, Door(ports)


async def kill(wanted: argparse.Namespace, workers: int) -> int:
    """Kill a random worker again and again; the exit code."""
    report = Report(f"faults {wanted.scenario}")
    async with standing(wanted, workers) as (fleet, door):
        crowd = Crowd(wanted, door)
        kills = 0

        async def faults() -> None:
            nonlocal kills
            await asyncio.sleep(SETTLE_S)
            for _ in range(round((wanted.seconds - SETTLE_S) / wanted.every)):
                kills += 1
                door.note_fault()
                replaced = asyncio.create_task(fleet.replace(random.randrange(workers)))
                await asyncio.sleep(wanted.every)
                await replaced

        progress(f"speaking for {wanted.seconds:g} s, a kill every {wanted.every:g} s")
        await crowd.speak(faults())
        report.note("kills", kills)
        crowd.judge(report)
        _judge_end(report, fleet)
    return report.finish()


async def kill_with_redis(wanted: argparse.Namespace) -> int:
    """As `kill`, while Redis is frozen, emptied and killed in turn; the exit code."""
    with redis() as store:
        wanted.store = wanted.store or f"redis://127.0.0.1:{store.port}"
        trouble = asyncio.create_task(_trouble(store))
        try:
            return await kill(wanted, 2)
        finally:
            trouble.cancel()


async def _trouble(store: Redis) -> None:
    while True:
        await asyncio.sleep(_AWAY_S)
        store.send(signal.SIGSTOP)
        await asyncio.sleep(_AWAY_S)
        store.send(signal.SIGCONT)
        await asyncio.sleep(_AWAY_S)
        await asyncio.to_thread(store.flush)
        await asyncio.sleep(_AWAY_S)
        store.kill()
        await asyncio.sleep(_AWAY_S)
        await asyncio.to_thread(store.start)


async def freeze(wanted: argparse.Namespace) -> int:
    """Stop one worker after the other for a while, and let it go on; the exit code."""
    report = Report("faults freeze")
    is_balanced = wanted.balancer == "haproxy"
    async with standing(wanted, 2) as (fleet, door):
        crowd = Crowd(wanted, door, hangs_up=is_balanced)

        async def faults() -> None:
            await asyncio.sleep(SETTLE_S)
            for nth in range(int((wanted.seconds - SETTLE_S) / (2 * FREEZE_S))):
                door.note_fault()
                await fleet.freeze(nth % 2, FREEZE_S)
                await asyncio.sleep(FREEZE_S)

        progress(f"speaking for {wanted.seconds:g} s, a worker frozen for {FREEZE_S:g} s every {2 * FREEZE_S:g} s")
        await crowd.speak(faults())
        await asyncio.sleep(SETTLE_S)
        # Without a balancer that looks, an attempt may wait for a frozen worker until that wakes.
        crowd.judge(report, in_time=is_balanced)
        abandoned = [line for caller in crowd.callers for line in caller.abandoned]
        superseded = sum(line.gone.done() and line.close_code == SUPERSEDED for line in abandoned)
        report.note("connections left as they stood", len(abandoned))
        if wanted.store:
            report.equal("of them closed with 4010 by the woken worker", superseded, len(abandoned))
        else:
            report.note("of them closed with 4010 by the woken worker", superseded)
        for line in abandoned:
            line.leave()
        _judge_end(report, fleet)
    return report.finish()


async def rolling(wanted: argparse.Namespace) -> int:
    """Replace all workers of one `earful serve` under live sessions; the exit code."""
    report = Report("faults rolling")
    settings = {"store": wanted.store} if wanted.store else {}
    with served(workers=wanted.workers, secret=SECRET, max_sessions=wanted.clients, **settings) as server:
        door = Door([server.port])
        crowd = Crowd(wanted, door)
        took_s = ROLLED_WITHIN_S + wanted.seconds

        async def faults() -> None:
            nonlocal took_s
            await asyncio.sleep(SETTLE_S)
            took_s = await _roll(server, door)

        progress(f"{wanted.clients} clients speak for {wanted.seconds:g} s, SIGHUP after {SETTLE_S:g} s")
        await crowd.speak(faults())
        report.most("seconds until all were replaced", round(took_s, 2), ROLLED_WITHIN_S)
        crowd.judge(report, in_time=False)
        report.equal("connections refused", crowd.tally.refused, 0)
        report.equal("exit code", server.stop(), 0)
        report.equal("faults in the log", len(server.faults()), 0)
    return report.finish()


async def _roll(server: Server, door: Door) -> float:
    """SIGHUP; seconds until all are replaced."""
    since = server.read_log()
    began = time.perf_counter()
    door.note_fault()
    os.kill(server.process.pid, signal.SIGHUP)
    await server.event("all workers replaced", since, ROLLED_WITHIN_S)
    return time.perf_counter() - began


def _judge_end(report: Report, fleet: Fleet) -> None:
    report.equal("exit codes other than 0", sum(code != 0 for code in fleet.stop()), 0)
    report.equal("faults in the logs", len(fleet.faults), 0)
    for fault in fleet.faults[:5]:
        print(fault, file=sys.stderr)


def main() -> int:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=["kill", "one", "redis", "freeze", "rolling"])
    parser.add_argument("--clients", type=int)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=3, help="seconds between two kills")
    parser.add_argument("--workers", type=int, default=4, help="of rolling")
    parser.add_argument("--balancer", choices=["haproxy", "none"], default="haproxy", help="before two workers")
    parser.add_argument("--store", help="where the workers' directory is")
    wanted = parser.parse_args()
    wanted.clients = wanted.clients or (400 if wanted.scenario == "rolling" else 50)
    match wanted.scenario:
        case "redis":
            return run(kill_with_redis(wanted))
        case "freeze":
            return run(freeze(wanted))
        case "rolling":
            return run(rolling(wanted))
    return run(kill(wanted, 1 if wanted.scenario == "one" else 2))


if __name__ == "__main__":
    sys.exit(main())
