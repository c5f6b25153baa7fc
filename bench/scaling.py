"""Whether capacity grows with workers: the most sessions at a p99 of 100 ms, each worker held to a fifth of a core.

    python bench/scaling.py [--workers 1 2 4 8] [--cost-us 300] [--rounds 2] [--svg FILE]

The workers stand behind HAProxy with the configuration of `deploy`, share a Redis, and have a model that burns CPU, so
that a fifth of a core is soon full and HAProxy and the load, on the same two cores, stay small beside them. Needs to be
root, for the quotas. At least 0.95 x N is promised.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowd import warm_up
from earful.cli.asking import is_shedding
from fleet import Fleet, haproxy, redis
from quota import join, share
from report import Report, progress, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

HAPROXY = Path(__file__).parents[1] / "deploy" / "haproxy.cfg"
P99_MS = 100.0
STEP_S, WARM_S = 8.0, 3.0
STEP_WITHIN_S = 90.0
REST_S, MOST_RESTS = 0.5, 60
TRIES = 6
BELIEVED = 2
"""So often a number of streams fails before it is too many, as in `earful bench --find`."""
WITHIN = 0.02
LEAST = 0.95
_LATE = 3
"""What `earful bench` exits with where it was late itself."""


async def measure(wanted: argparse.Namespace) -> int:
    """Measure each number of workers so often; the exit code."""
    report = Report("scaling")
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    held: dict[int, list[int]] = {number: [] for number in wanted.workers}
    guess = wanted.guess
    for nth in range(wanted.rounds):
        for number in wanted.workers:
            progress(f"round {nth + 1}, {number} workers")
            async with standing(number, wanted.cost_us) as (port, fleet):
                most = await most_streams(port, fleet.ports, round(guess * number))
            held[number].append(most)
            guess = most / number
    one = statistics.median(held[wanted.workers[0]]) / wanted.workers[0]
    ratios = {}
    for number, found in held.items():
        streams = statistics.median(found)
        ratios[number] = streams / one
        report.note(f"streams, {number} workers", f"{streams:g}")
        report.claim(
            f"times one worker's, {number} workers",
            round(ratios[number], 2),
            f"at least {LEAST * number:g}",
            holds=ratios[number] >= LEAST * number,
        )
    if wanted.svg:
        _draw(Path(wanted.svg), ratios)
    return report.finish()


@contextlib.asynccontextmanager
async def standing(workers: int, cost_us: int) -> AsyncIterator[tuple[int, Fleet]]:
    """Workers with a fifth of a core each and a Redis, and the port of HAProxy before them."""
    with contextlib.ExitStack() as scope:
        store = scope.enter_context(redis())
        settings = {"store": f"redis://127.0.0.1:{store.port}", "max_sessions": 5000, "max_speed": 0}
        model = {"model": "heavy:Heavy", "model_options": {"cost_us": cost_us}}
        async with Fleet(workers, **settings, **model) as fleet:
            for nth, server in enumerate(fleet.servers):
                await warm_up(server.port)
                os.sched_setaffinity(server.process.pid, range(os.cpu_count() or 1))
                join(scope.enter_context(share(str(nth))), server.process.pid)
            config = scope.enter_context(_config(workers))
            port = scope.enter_context(haproxy(config, fleet.ports))
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
            yield port, fleet
            fleet.stop()


async def most_streams(port: int, workers: Sequence[int], guess: int, *arguments: str) -> int:
    """The most that hold, to within 2 %: from a guess outwards, then halved between; `arguments` are of `bench`.

    They come to `port`; the ports of the workers behind it tell when these shed nothing any more, before each try.

    Raises RuntimeError where not even one holds.
    """
    holds, fails, step = 0, 0, max(2, guess // 8)
    streams = guess
    while not (holds and fails and fails - holds <= max(1, WITHIN * holds)):
        if await _held(port, workers, streams, arguments):
            holds = streams
        else:
            fails = streams
        if fails == 1:
            raise RuntimeError(f"not even one stream is answered within {P99_MS:g} ms")
        if not fails:
            streams, step = holds + step, step * 2
        elif not holds:
            streams, step = max(1, fails - step), step * 2
        else:
            streams = (holds + fails) // 2
    return holds


async def _held(port: int, workers: Sequence[int], streams: int, wanted: Sequence[str]) -> bool:
    """Whether so many streams are answered in time at one of two tries: a slow second is this machine's, not theirs.

    RuntimeError where the load itself was late again and again.
    """
    failed = 0
    for _ in range(TRIES):
        await _rest(workers)
        verdict = await _try(port, streams, wanted)
        failed += verdict is False
        if verdict or failed == BELIEVED:
            return bool(verdict)
    raise RuntimeError("the load was late itself: this machine is too busy to measure")


async def _rest(workers: Sequence[int]) -> None:
    """Wait while a worker sheds load from what was before, as `earful bench --find` does."""
    for _ in range(MOST_RESTS):
        shed = [await asyncio.to_thread(is_shedding, f"http://127.0.0.1:{port}") for port in workers]
        if not any(shed):
            return
        await asyncio.sleep(REST_S)


async def _try(port: int, streams: int, wanted: Sequence[str]) -> bool | None:
    """The same once; None where the load was late."""
    arguments = ("--streams", str(streams), "--seconds", str(STEP_S), "--warmup-s", str(WARM_S), "--json", "-")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "earful", "bench", f"http://127.0.0.1:{port}", *arguments, *wanted,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(STEP_WITHIN_S):
        out, _ = await process.communicate()
    if process.returncode == _LATE:
        return None
    if not out and process.returncode == 1:  # Nobody was let in.
        progress(f"  {streams} streams: not held")
        return False
    found: dict[str, Any] = json.loads(out)
    p99_ms = found["steps"][0]["latency"]["p99_ms"]
    held = process.returncode == 0 and p99_ms <= P99_MS
    told = "nobody answered" if p99_ms is None else f"p99 {p99_ms:g} ms, {'held' if held else 'not held'}"
    progress(f"  {streams} streams: {told}")
    return held


@contextlib.contextmanager
def _config(workers: int) -> Iterator[Path]:
    """The configuration of `deploy`, for so many workers."""
    lines = [line for line in HAPROXY.read_text().splitlines() if not line.lstrip().startswith("server worker")]
    lines += [f'    server worker{nth} "${{WORKER_{nth}}}"' for nth in range(1, workers + 1)]
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        yield Path(file.name)


def _draw(file: Path, ratios: dict[int, float]) -> None:
    file.write_text(picture(ratios))


def picture(ratios: dict[int, float]) -> str:
    """What was measured beside what N workers would hold without any loss, as SVG."""
    side, edge, most = 360, 50, max(ratios)
    scale = (side - 2 * edge) / most

    def at(workers: float, ratio: float) -> str:
        return f"{edge + workers * scale:.1f},{side - edge - ratio * scale:.1f}"

    marks = "".join(
        f'<circle cx="{at(n, r).split(",")[0]}" cy="{at(n, r).split(",")[1]}" r="4" fill="#0969da"/>'
        f'<text x="{edge + n * scale:.1f}" y="{side - edge + 18}" text-anchor="middle">{n}</text>'
        f'<text x="{edge - 8}" y="{side - edge - n * scale + 4:.1f}" text-anchor="end">{n}x</text>'
        f'<text x="{edge + n * scale + 7:.1f}" y="{side - edge - r * scale + 16:.1f}">{r:.2f}</text>'
        for n, r in ratios.items()
    )
    line = " ".join(at(n, r) for n, r in ratios.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side}" height="{side}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{side}" height="{side}" fill="white"/>'
        f'<text x="{edge}" y="20">Sessions held, in those of one worker</text>'
        f'<polyline points="{at(0, 0)} {at(most, most)}" stroke="#999" stroke-dasharray="4" fill="none"/>'
        f'<polyline points="{at(0, 0)} {at(0, most)}" stroke="#333" fill="none"/>'
        f'<polyline points="{at(0, 0)} {at(most, 0)}" stroke="#333" fill="none"/>'
        f'<polyline points="{line}" stroke="#0969da" stroke-width="2" fill="none"/>{marks}'
        f'<text x="{side / 2}" y="{side - 12}" text-anchor="middle">workers, each a fifth of a core</text></svg>\n'
    )


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--cost-us", type=int, default=300, help="CPU time of one call of the model")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--guess", type=float, default=40, help="streams that a worker may hold")
    parser.add_argument("--svg", help="draw it into this file")
    return run(measure(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
