"""Whether `earful plan` foretells what is measured: a capacity file of one worker, then workers it never saw.

    python bench/foretell.py [--cost-us 300] [--capacity FILE]

As in `scaling.py` each worker has a fifth of a core and a model that burns CPU. The capacity file is measured at 20,
100 and 200 ms chunks and duties of 1 and 0.4; what is foretold is other chunk sizes, duties and numbers of workers.
Within 15 % is promised.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import Report, progress, run
from scaling import most_streams, standing

WITHIN = 0.15
POINTS = ((1, 150, 0.7), (2, 150, 1.0), (4, 100, 0.7), (4, 120, 0.5))
"""Workers, ms of a chunk, duty."""
CAPACITY_WITHIN_S = 1800.0
PLAN_WITHIN_S = 60.0
_SECONDS = "5"
_MANY = 1_000_000


async def foretell(cost_us: int, capacity: Path) -> int:
    """Measure the capacity unless it is there, and everything else; the exit code."""
    report = Report("foretell")
    if not capacity.exists():  # noqa: ASYNC240 - nobody else waits here
        progress("measuring what one worker holds")
        async with standing(1, cost_us) as (_, fleet):
            url = f"http://127.0.0.1:{fleet.ports[0]}"
            arguments = ("--streams", "20", "--seconds", _SECONDS, "--pid", str(fleet.servers[0].process.pid))
            await _earful(CAPACITY_WITHIN_S, "bench", url, "--capacity", str(capacity), *arguments)
    for workers, chunk_ms, duty in POINTS:
        name = f"{workers} workers, {chunk_ms} ms, duty {duty:g}"
        progress(name)
        spoken = ("--chunk-ms", str(chunk_ms), "--duty", str(duty))
        told = await _earful(
            PLAN_WITHIN_S,
            *("plan", "--sessions", str(_MANY), "--spare", "0", "--headroom", "0", "--hours", "0.1", "--json"),
            *("--capacity", str(capacity), *spoken),
        )
        plan: dict[str, Any] = json.loads(told)
        expected = plan["estimate"]["streams_per_worker"] * workers
        async with standing(workers, cost_us) as (port, fleet):
            measured = await most_streams(port, fleet.ports, round(expected), *spoken)
        report.note(f"{name}: foretold", round(expected))
        report.note(f"{name}: measured", measured)
        report.most(f"{name}: off by", round(abs(expected / measured - 1), 3), WITHIN)
    return report.finish()


async def _earful(within_s: float, *arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "earful", *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(within_s):
        out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"earful {arguments[0]} failed with {process.returncode}")
    return out


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cost-us", type=int, default=300, help="CPU time of one call of the model")
    parser.add_argument("--capacity", type=Path, help="a file from an earlier run, or where it shall be written")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        return run(foretell(wanted.cost_us, wanted.capacity or Path(made) / "capacity.json"))


if __name__ == "__main__":
    sys.exit(main())
