"""`earful plan`: what a number of sessions needs, from a capacity file, and how it would fare in a simulation.

Guarantees that a file that cannot be used is one sentence on stderr. Called by `commands`.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from earful.planning.capacity import Capacity, CapacityError
from earful.planning.estimate import Need, estimate
from earful.planning.simulation import Fate, Fleet, simulate

if TYPE_CHECKING:
    from earful.planning.estimate import Estimate

FAILED = 1
SHIPPED = files("earful.planning") / "capacity.json"
MOST_WORKERS = 1_000_000
RESERVE_SHARE = 0.1
"""Of the setting `resume_reserve`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What is simulated beside the need: for how long, how often workers die and how soon one is back."""

    hours: float = 1.0
    deaths_per_day: float = 1.0
    restart_s: int = 5
    is_even: bool = True
    seed: int = 1


def plan(need: Need, weather: Weather, *, capacity_file: str | None, as_json: bool) -> int:
    """Tell what it comes to; the exit code."""
    try:
        capacity = Capacity.parse(SHIPPED.read_bytes() if capacity_file is None else Path(capacity_file).read_bytes())
    except OSError as error:
        print(f"earful: {capacity_file} cannot be read: {error.strerror}.", file=sys.stderr)
        return FAILED
    except CapacityError as error:
        print(f"earful: {capacity_file} cannot be used: {error}.", file=sys.stderr)
        return FAILED
    found = estimate(need, capacity)
    if found.workers > MOST_WORKERS:
        print(f"earful: It would take {found.workers:,} workers, more than can be planned.", file=sys.stderr)
        return FAILED
    fate = simulate(_fleet(found, weather), need.sessions, need.session_s, _seconds(weather), weather.seed)
    if as_json:
        print(json.dumps({"need": asdict(need), "estimate": asdict(found), "simulation": asdict(fate)}, indent=1))
    else:
        _show(need, found, weather, fate)
    return 0


def _fleet(found: Estimate, weather: Weather) -> Fleet:
    """Workers that let in as many as they can hold, and a reserve of those that resume."""
    limit = _limit(found)
    return Fleet(
        workers=found.workers,
        capacity=found.streams_per_worker,
        limit=limit,
        reserve=math.floor(limit * RESERVE_SHARE),
        is_even=weather.is_even,
        deaths_per_day=weather.deaths_per_day,
        restart_s=weather.restart_s,
    )


def time_of(weather: Weather, fate: Fate) -> str:
    """How long was simulated, and whether it is less than was asked for."""
    if fate.seconds < _seconds(weather):
        return f"{fate.seconds:,} s (all {weather.hours:g} h would take too long)"
    return f"{weather.hours:g} h"


def _show(need: Need, found: Estimate, weather: Weather, fate: Fate) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for name, figure in (*_estimated(need, found), *_simulated(weather, fate)):
        table.add_row(name, figure)
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(table)


def _estimated(need: Need, found: Estimate) -> list[tuple[str, str]]:
    cores = "not measured" if found.cores_busy is None else f"{found.cores_busy:,.1f} busy"
    workers = f"{found.workers:,}, each with {found.sessions_per_worker:,.0f} of {found.streams_per_worker:,.0f}"
    return [
        ("sessions", f"{need.sessions:,}, {need.chunk_ms} ms chunks, duty {need.duty:g}"),
        *(("beyond", what) for what in found.beyond_measured),
        ("workers", workers),
        ("started with", _flags(found)),
        ("cores", f"{found.cores:,}, {cores}"),
        ("memory", _memory(found.memory_mb, found.workers)),
        ("worst memory", _memory(found.worst_memory_mb, found.workers)),
        ("headroom", f"{found.headroom:.0%}; {found.headroom_degraded:.0%} with {need.spare} lost"),
        ("Redis", f"{found.redis_things_per_s:,.0f} things a second, {found.redis_cpu_share:.1%} of a core"),
        ("to Redis", f"{found.redis_kb_per_s:,.0f} KB a second"),
        ("bandwidth in", f"{found.in_mbit_per_s:,.0f} Mbit/s"),
        ("bandwidth out", f"{found.out_mbit_per_s:,.0f} Mbit/s"),
        ("starts", f"{found.starts_per_s:,.1f} a second"),
    ]


def _flags(found: Estimate) -> str:
    """What makes them those that are planned and simulated: by default a worker refuses sooner."""
    return f"--max-sessions {_limit(found)} --overload-cpu-percent 0"


def _limit(found: Estimate) -> int:
    return max(1, math.floor(found.streams_per_worker))


def _memory(all_mb: float | None, workers: int) -> str:
    if all_mb is None:
        return "not measured"
    return f"{all_mb / 1024:,.1f} GB, {all_mb / workers:,.0f} MB a worker"


def _simulated(weather: Weather, fate: Fate) -> list[tuple[str, str]]:
    deaths = f"{fate.deaths} deaths, {fate.displaced:,} sessions displaced, {fate.given_up:,} found no place"
    return [
        ("simulated", f"{time_of(weather, fate)}, {fate.arrived:,} sessions, {fate.most_sessions:,} at most at once"),
        ("refused", f"{fate.refused:,} ({fate.refused_share:.4%})"),
        ("lost workers", deaths),
        ("a loss hurts", f"{fate.hurt_s_mean:.1f} s on average, {fate.hurt_s_most} s at most"),
        ("late", f"{fate.late_share:.4%} of all session seconds"),
    ]


def _seconds(weather: Weather) -> int:
    return round(weather.hours * 3600)
