"""Half an hour of everything at once, and nothing is left behind.

    python bench/soak.py [--minutes 30] [--clients 40]

Two workers that live throughout and one that is killed and followed every 20 s share a Redis. So many clients at a
time talk, drop and resume, go without a word, or read nothing for a while. Every conversation ends with the finals of
its undisturbed run; the workers' memory, after a collection and a trim, must not climb by more than 4 MB an hour (least
squares, without the first third), and descriptors, tasks, threads and Redis keys be exactly what they were before.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

from caller import CHUNK_MS, Caller, Tally
from crowd import STOP, Stream, warm_up
from fleet import Door, Fleet, Redis, redis
from probe import census_of
from report import Report, progress, run
from truth import truth_of
from wire import TEXT, connect

if TYPE_CHECKING:
    from serving import Server

MOST_MB_PER_HOUR = 4.0
MORTAL = 2
"""The worker that is killed; those before it live throughout."""
KILL_EVERY_S = 20.0
LOOK_EVERY_S = 20.0
TALK_S = (4.0, 20.0)
STALL_S = (1.0, 6.0)
NOTED_S = 310.0
"""How long after its last report the store remembers a session: `resume_window_s` and five minutes."""
FORGOTTEN_WITHIN_S = 400.0
DELISTED_WITHIN_S = 90.0
"""The last that is left of a dead worker, its inbox, lives a minute; so do connections to the store that few need."""
QUIET_S = 10.0
LAST_LIFE_S = 120.0
NOTES = "notes of sessions"
Inventory = dict[str, int]
SETTINGS = {
    "resume_window_s": 10,
    "max_session_s": 60,
    "idle_timeout_s": 30,
    "max_unsent_s": 20,
    "model": "probe:Probe",
}
_SEED = 7


class Guests:
    """The clients; each lives one short life after the other until it is told to stop."""

    def __init__(self, door: Door, ports: list[int]) -> None:
        """Resume through `door`; who never resumes connects to one of `ports`."""
        self.tally = Tally()
        self.lives: Counter[str] = Counter()
        self.wrong = 0
        self._door = door
        self._ports = ports
        self._numbers = count()
        self._random = random.Random(_SEED)

    async def live(self, until: float) -> None:
        """Life after life, until `until` (seconds of `time.perf_counter`)."""
        ways = (self._talk, self._drop, self._vanish, self._dawdle)
        while time.perf_counter() < until:
            way = self._random.choice(ways)
            await way(next(self._numbers), round(self._random.uniform(*TALK_S) * 1000 / CHUNK_MS))
            self.lives[way.__name__[1:]] += 1

    async def _talk(self, number: int, chunks: int) -> None:
        caller = Caller(number, self._door, self.tally)
        await caller.run(chunks, time.perf_counter())
        self._judge(caller, chunks)

    async def _drop(self, number: int, chunks: int) -> None:
        caller = Caller(number, self._door, self.tally)
        dropping = asyncio.create_task(self._cut(caller))
        try:
            await caller.run(chunks, time.perf_counter())
        finally:
            dropping.cancel()
        self._judge(caller, chunks)

    async def _cut(self, caller: Caller) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(*STALL_S))
            caller.drop()

    async def _vanish(self, number: int, chunks: int) -> None:
        stream = await self._arrive(number)
        if stream is not None:
            await _say(stream, chunks)
            if not stream.gone.done():
                stream.reset()
            await stream.gone

    async def _dawdle(self, number: int, chunks: int) -> None:
        """Read nothing for a while; what waits meanwhile is bounded, and then comes."""
        stream = await self._arrive(number)
        if stream is None:
            return
        stream.transport.pause_reading()
        await _say(stream, chunks)
        stream.send(TEXT, STOP)
        await asyncio.sleep(self._random.uniform(*STALL_S))
        stream.transport.resume_reading()
        await stream.gone

    async def _arrive(self, number: int) -> Stream | None:
        """A stream at a worker; None where that is just being killed."""
        stream = Stream(number, CHUNK_MS)
        try:
            await connect(stream, self._random.choice(self._ports))
        except OSError:
            return None
        return stream

    def _judge(self, caller: Caller, chunks: int) -> None:
        truth = truth_of(caller.voice, chunks)
        truth.stop()
        self.wrong += caller.finals != truth.finals


async def _say(stream: Stream, chunks: int) -> None:
    began = time.perf_counter()
    for nth in range(chunks):
        due = began + nth * CHUNK_MS / 1000
        await asyncio.sleep(due - time.perf_counter())
        stream.speak(due)


class Watch:
    """What the long-lived workers weigh as time goes by."""

    def __init__(self, servers: list[Server]) -> None:
        """Nothing was looked at yet."""
        self._servers = servers
        self._looks: list[list[tuple[float, float]]] = [[] for _ in servers]

    async def look_for_ever(self) -> None:
        """Take a census of each again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for server, looks in zip(self._servers, self._looks, strict=True):
                census = await census_of(server.process.pid)
                looks.append((time.perf_counter() / 3600, census.resident_mb))

    def last_mb(self, nth: int) -> float:
        """What a worker weighed last."""
        return self._looks[nth][-1][1]

    def slopes(self) -> list[float]:
        """MB an hour of each worker, by least squares over the last two thirds."""
        late = [looks[len(looks) // 3 :] for looks in self._looks]
        return [statistics.linear_regression(*zip(*looks, strict=True)).slope for looks in late]


async def kill_until(over: asyncio.Event, fleet: Fleet, door: Door) -> None:
    """Kill the mortal worker again and again; once it is over, what is being replaced is there again at the end."""
    while not over.is_set():
        try:
            async with asyncio.timeout(KILL_EVERY_S):
                await over.wait()
        except TimeoutError:
            door.note_fault()
            await fleet.replace(MORTAL)


async def soak(wanted: argparse.Namespace) -> int:
    """Run it once; the exit code."""
    report = Report("soak")
    with redis() as store:
        settings = {"store": f"redis://127.0.0.1:{store.port}", "max_sessions": 3 * wanted.clients, **SETTINGS}
        async with Fleet(MORTAL + 1, **settings) as fleet:
            before = await _settle(fleet, store, None, waits=not wanted.quick)
            door, watch = Door(fleet.ports), Watch(fleet.servers[:MORTAL])
            guests = Guests(door, fleet.ports)
            progress(f"{wanted.clients} clients for {wanted.minutes:g} minutes")
            await _live(guests, wanted, watch, fleet, door)
            progress("waiting until everything is forgotten")
            after = await _settle(fleet, store, before, waits=not wanted.quick)
            _judge(report, guests, watch, is_quick=wanted.quick)
            for name, was in before.items():
                report.equal(name, after[name], was)
            report.equal("exit codes other than 0", sum(code != 0 for code in fleet.stop()), 0)
            report.equal("faults in the logs", len(fleet.faults), 0)
            for fault in fleet.faults[:5]:
                print(fault, file=sys.stderr)
    return report.finish()


async def _live(guests: Guests, wanted: argparse.Namespace, watch: Watch, fleet: Fleet, door: Door) -> None:
    seconds = wanted.minutes * 60
    until = time.perf_counter() + seconds
    async with asyncio.timeout(seconds + LAST_LIFE_S), asyncio.TaskGroup() as background:
        over, looking = asyncio.Event(), background.create_task(watch.look_for_ever())
        background.create_task(kill_until(over, fleet, door))
        await asyncio.gather(*(guests.live(until) for _ in range(wanted.clients)))
        over.set()
        looking.cancel()


async def _settle(fleet: Fleet, store: Redis, wanted: Inventory | None, *, waits: bool) -> Inventory:
    """What there is of everything once all is quiet: as `wanted`, or after the time in which it should be so.

    Without `waits` sessions' notes are not waited for, but that none would stay.
    """
    if wanted is None:
        for server in fleet.servers:
            await warm_up(server.port)
    found: Inventory = {}
    end = same_since = time.perf_counter()
    end += FORGOTTEN_WITHIN_S if waits else DELISTED_WITHIN_S
    while time.perf_counter() < end:
        await asyncio.sleep(1.0)
        news = await _inventory(fleet, store, counts_notes=waits)
        if news != found:
            found, same_since = news, time.perf_counter()
        if found == wanted or (wanted is None and not found[NOTES] and time.perf_counter() - same_since > QUIET_S):
            break
    return found


async def _inventory(fleet: Fleet, store: Redis, *, counts_notes: bool) -> Inventory:
    """Descriptors, tasks and threads of each lasting worker, and the store's keys by kind."""
    found: Inventory = {}
    for nth, server in enumerate(fleet.servers[:MORTAL]):
        census = await census_of(server.process.pid)
        found |= {f"{name} of worker {nth}": getattr(census, name) for name in ("open_files", "tasks", "threads")}
    with store.client() as client:
        keys = list(client.scan_iter(count=1000))
        notes = [key for key in keys if ":{session:" in key]
        lives_s = [client.ttl(key) for key in notes]
    found["keys of workers"] = len(keys) - len(notes)
    found[NOTES] = len(notes) if counts_notes else sum(not 0 <= life_s <= NOTED_S for life_s in lives_s)
    return found


def _judge(report: Report, guests: Guests, watch: Watch, *, is_quick: bool) -> None:
    for way, number in sorted(guests.lives.items()):
        report.note(f"lives: {way}", number)
    report.note("resumes", len(guests.tally.resume_s))
    report.equal("clients with a wrong, missing or extra final", guests.wrong, 0)
    report.equal("errors told", sum(code != "draining" for code in guests.tally.errors), 0)
    for nth, slope in enumerate(watch.slopes()):
        if is_quick:  # Two minutes tell nothing of an hour.
            report.note(f"MB an hour, worker {nth}", round(slope, 2))
        else:
            report.most(f"MB an hour, worker {nth}", round(slope, 2), MOST_MB_PER_HOUR)
        report.note(f"MB, worker {nth}", round(watch.last_mb(nth), 1))


def main() -> int:
    """Read the command line and run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=40, help="at a time")
    parser.add_argument(
        "--quick", action="store_true", help="judge no slope, and that notes will be forgotten, not when"
    )
    return run(soak(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
