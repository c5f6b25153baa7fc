"""What a worker asks of its Redis while streams speak: commands a second, by name, and kilobytes.

    python bench/redis_load.py [--streams 500] [--seconds 10]

Starts a redis-server of its own, which must be installed, `earful serve` with it, and `earful bench` on another core.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory import HOST, PORT, redis_server
from report import Report, progress, run
from serving import served

if TYPE_CHECKING:
    from redis import Redis

    from serving import Server

MOST_COMMANDS = 100.0
"""A second, at 500 streams: so few that one Redis does for hundreds of workers."""
WARM_UP_S = 3
STARTED_WITHIN_S = 60.0
ENDED_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.2
_SENT = frozenset({"evalsha", "eval"})
"""What a worker sends; the other commands are what these scripts do inside the server."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a Redis had done at one moment: calls by command, what they took, and what went over the wire."""

    at_s: float
    calls: dict[str, int]
    cpu_us: int
    in_bytes: int
    out_bytes: int

    @classmethod
    def at(cls, redis: Redis) -> Look:
        """Look now."""
        commands = {name.removeprefix("cmdstat_"): row for name, row in redis.info("commandstats").items()}
        stats = redis.info("stats")
        return cls(
            time.perf_counter(),
            {name: row["calls"] for name, row in commands.items()},
            sum(row["usec"] for name, row in commands.items() if name in _SENT),
            stats["total_net_input_bytes"],
            stats["total_net_output_bytes"],
        )

    def since(self, then: Look) -> dict[str, int]:
        """Calls in between, by command."""
        return {name: calls - then.calls.get(name, 0) for name, calls in self.calls.items()}


async def measure(streams: int, seconds: int) -> int:
    """Measure once; the exit code."""
    report = Report("redis_load")
    with redis_server() as redis, redis:
        redis.ping()
        with served(store=f"redis://{HOST}:{PORT}/0", max_sessions=streams + 10) as server:
            began = Look.at(redis)
            load = await begin(server, streams, seconds)
            speaking = Look.at(redis)
            progress(f"{streams} streams for {seconds} s")
            await asyncio.sleep(seconds)
            tell(report, streams, began, speaking, Look.at(redis))
            async with asyncio.timeout(ENDED_WITHIN_S):
                report.equal("exit code of the streams", await load.wait(), 0)
            report.equal("faults in the log", len(server.faults()), 0)
    return report.finish()


async def begin(server: Server, streams: int, seconds: int) -> asyncio.subprocess.Process:
    """Let so many streams speak; the process that they are in, once all have begun."""
    plan = ["--start", "--streams", str(streams), "--seconds", str(seconds + WARM_UP_S)]
    url = f"ws://{HOST}:{server.port}"
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "earful", "bench", url, *plan, stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(STARTED_WITHIN_S):
        while await server.active_sessions() < streams:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(_LOOK_EVERY_S)
    await asyncio.sleep(WARM_UP_S)
    return load


def tell(report: Report, streams: int, began: Look, speaking: Look, ended: Look) -> None:
    """The figures between these looks."""
    seconds = ended.at_s - speaking.at_s
    sent = {name: calls for name, calls in speaking.since(began).items() if name in _SENT}
    report.note("commands a start, with its share of the exchanges", round(sum(sent.values()) / streams, 2))
    calls = ended.since(speaking)
    commands = sum(number for name, number in calls.items() if name in _SENT)
    report.most("commands a second", round(commands / seconds, 1), MOST_COMMANDS)
    inside = sum(number for name, number in calls.items() if name not in _SENT)
    report.note("done inside their scripts, a second", round(inside / seconds, 1))
    report.note("Redis' us a second for them", round((ended.cpu_us - speaking.cpu_us) / seconds))
    report.note("KB a second to Redis", round((ended.in_bytes - speaking.in_bytes) / seconds / 1000, 1))
    report.note("KB a second from it", round((ended.out_bytes - speaking.out_bytes) / seconds / 1000, 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=10)
    given = parser.parse_args()
    sys.exit(run(measure(given.streams, given.seconds)))
