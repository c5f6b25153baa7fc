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

from earful.planning.around import NothingHeldError
from earful.planning.capacity import UNLIMITED, Capacity, CapacityError, flags_for
from earful.planning.estimate import Need, estimate
from earful.planning.simulation import Fate, Fleet, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.planning.estimate import Estimate

FAILED = 1
SHIPPED = files("earful.planning") / "capacity.json"
MOST_WORKERS = 1_000_000
RESERVE_SHARE = 0.1
"""Of the setting `resume_reserve`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What is simulated beside the need: for how long, how often workers die, how soon one is back, and its clients."""

    hours: float = 1.0
    deaths_per_day: float = 1.0
    restart_s: int = 5
    return_s: int = 3
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
    try:
        found = estimate(need, capacity)
    except NothingHeldError as error:
        print(f"earful: This cannot be planned: {error}.", file=sys.stderr)
        return FAILED
    if found.workers > MOST_WORKERS:
        print(f"earful: It would take {found.workers:,} workers, more than can be planned.", file=sys.stderr)
        return FAILED
    fleet = _fleet(found, weather)
    fate = simulate(fleet, need.sessions, need.session_s, _seconds(weather), weather.seed)
    if as_json:
        told = {"need": asdict(need), "estimate": asdict(found), "fleet": asdict(fleet), "simulation": asdict(fate)}
        print(json.dumps(told, indent=1))
    else:
        _show((*_estimated(need, found), *_simulated(weather, fleet, fate)))
    return 0


def _fleet(found: Estimate, weather: Weather) -> Fleet:
    """Workers that let in as many as they can hold, and a reserve of those that resume."""
    limit = found.streams_per_worker
    return Fleet(
        workers=found.workers,
        capacity=limit,
        limit=limit,
        reserve=math.floor(limit * RESERVE_SHARE),
        is_even=weather.is_even,
        deaths_per_day=weather.deaths_per_day,
        restart_s=weather.restart_s,
        return_s=weather.return_s,
    )


def time_of(weather: Weather, fate: Fate) -> str:
    """How long was simulated, and whether it is less than was asked for."""
    if fate.seconds < _seconds(weather):
        return f"{fate.seconds:,} s (all {weather.hours:g} h would take too long)"
    return f"{weather.hours:g} h"


def _show(rows: Sequence[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for name, figure in rows:
        table.add_row(name, figure)
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(table)


def _estimated(need: Need, found: Estimate) -> list[tuple[str, str]]:
    cores = "not measured" if found.cores_busy is None else f"{found.cores_busy:,.1f} busy"
    workers = f"{found.workers:,}, each with {found.sessions_per_worker:,.0f} of {found.streams_per_worker:,}"
    return [
        ("sessions", f"{need.sessions:,}, {need.chunk_ms} ms chunks, duty {need.duty:g}"),
        *(("beyond", what) for what in found.beyond_measured),
        *(("at least", what) for what in found.at_least),
        *([("measure with", f"earful serve {UNLIMITED}")] if found.is_refusal_bound else []),
        ("p99", f"at most {found.p99_ms:,.0f} ms from when a chunk was due to its answer: so it was measured"),
        ("workers", workers),
        ("started with", flags_for(found.streams_per_worker)),
        ("cores", f"{found.cores:,}, {cores}"),
        ("memory", _memory(found.memory_mb, found.workers)),
        ("worst memory", _memory(found.worst_memory_mb, found.workers)),
        ("headroom", f"{found.headroom:.0%}; {found.headroom_degraded:.0%} with {need.spare} lost"),
        ("Redis", f"{found.redis_things_per_s:,.0f} things a second, {_redis(found)}"),
        ("Redis' memory", f"{found.redis_memory_mb:,.0f} MB"),
        ("to Redis", f"{found.redis_kb_per_s:,.0f} KB a second"),
        ("bandwidth in", f"{found.in_mbit_per_s:,.0f} Mbit/s"),
        ("bandwidth out", f"{found.out_mbit_per_s:,.0f} Mbit/s"),
        ("starts", f"{found.starts_per_s:,.1f} a second"),
    ]


def _redis(found: Estimate) -> str:
    """What of a core; one Redis has no more than one."""
    share = f"{found.redis_cpu_share:.1%} of a core"
    if found.redis_nodes == 1:
        return share
    return f"{share}: one Redis has one core, so a cluster of {found.redis_nodes:,} nodes at least"


def _memory(all_mb: float | None, workers: int) -> str:
    if all_mb is None:
        return "not measured"
    return f"{all_mb / 1024:,.1f} GB, {all_mb / workers:,.0f} MB a worker"


def _simulated(weather: Weather, fleet: Fleet, fate: Fate) -> list[tuple[str, str]]:
    return [
        ("simulated", f"{time_of(weather, fate)}, {fate.arrived:,} sessions, {fate.most_sessions:,} at most at once"),
        ("refused", f"{fate.refused:,} ({fate.refused_share:.4%})"),
        ("lost workers", _deaths(fleet, fate)),
        ("a loss hurts", hurt_of(fate)),
        ("assumed", _assumed(fleet)),
        ("late", f"{fate.late_share:.4%} of all session seconds"),
    ]


def _deaths(fleet: Fleet, fate: Fate) -> str:
    expected = fleet.workers * fleet.deaths_per_day * fate.seconds / 86_400
    rare = f" (one at least; {expected:.2g} to be expected)" if fate.deaths and expected < 1 else ""
    deaths = "1 death" if fate.deaths == 1 else f"{fate.deaths:,} deaths"
    return f"{deaths}{rare}, {fate.displaced:,} sessions displaced, {fate.given_up:,} found no place"


def hurt_of(fate: Fate) -> str:
    """For how long, and whether that is all of it."""
    if not fate.deaths:
        return "none was lost"
    lasting = ", and still at the end" if fate.is_hurting else ""
    return f"{fate.hurt_s_mean:.1f} s on average, {fate.hurt_s_most} s at most{lasting}"


def _assumed(fleet: Fleet) -> str:
    """What a loss comes to where there is room: no less than clients take to come back."""
    return (
        f"clients are back within {fleet.return_s} s, with {fleet.replay_s:g} s to hear again, and give up after "
        f"{fleet.window_s} s; a worker is after {fleet.restart_s:,} s"
    )


def _seconds(weather: Weather) -> int:
    return round(weather.hours * 3600)
