"""What a number of sessions needs: workers, cores, memory, Redis, bandwidth, and what is left over. Pure.

Guarantees that the sessions fit with the wanted headroom, and without headroom also where spare workers are lost.
Called by `earful plan`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.planning import wire
from earful.planning.around import NothingHeldError

if TYPE_CHECKING:
    from earful.planning.around import Around
    from earful.planning.capacity import Capacity


_CORES_WITHIN = 0.1
"""A worker that was seen to use so much more than whole cores was measured roughly, and needs no other."""
_ROUNDED = 1e-6
"""Of a stream: so much less than a whole number of them is that number, for shares of a worker are not exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """So many sessions at once, how they speak, and how much is to be left: `headroom` is a share of each worker."""

    sessions: int
    duty: float = 1.0
    chunk_ms: int = 100
    session_s: float = 300.0
    """How long one lasts on average."""
    headroom: float = 0.3
    spare: int = 1
    """Workers that may be lost together."""
    is_binary: bool = False
    """Whether clients send binary frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What it comes to; None where the capacity file does not say."""

    p99_ms: float
    """How soon answers come at most, of 99 in 100: what the streams of the capacity file were held to."""
    workers: int
    streams_per_worker: int
    """What each of them can hold beside the others: whole ones, for no worker holds a part of one."""
    sessions_per_worker: float
    """What each of them is to hold."""
    cores: int
    """What to have: those that a worker may keep busy, for each."""
    cores_busy: float | None
    memory_mb: float | None
    """As when the streams were held that a worker holds at most."""
    worst_memory_mb: float | None
    """With as much for each worker as one was ever seen to have, overloaded too: what to give a container."""
    headroom: float
    headroom_degraded: float
    """The share of the remaining workers that is left when the spare ones are gone."""
    starts_per_s: float
    redis_things_per_s: float
    redis_cpu_share: float
    redis_nodes: int
    """Of a cluster, at least, where it is more than one: a Redis executes commands on one core."""
    redis_memory_mb: float
    redis_kb_per_s: float
    in_mbit_per_s: float
    out_mbit_per_s: float
    beyond_measured: list[str]
    """What of the need lies beyond the capacity file: it is reckoned as at the nearest that was measured, or worse."""
    at_least: list[str]
    """Which points this is reckoned by say less than a machine holds, and why: fewer workers may do."""
    is_refusal_bound: bool
    """Whether one of them is what a server let in by its own limits."""


def estimate(need: Need, capacity: Capacity) -> Estimate:
    """What the need comes to with workers of this capacity; raises NothingHeldError where they hold none of it."""
    here = capacity.around(need.chunk_ms, need.duty)
    streams = here.streams
    workers = _workers(need, streams, capacity)
    holds = _holds(need, streams * capacity.share(workers), workers)
    starts_per_s = need.sessions / need.session_s
    things_per_s = wire.redis_things_per_s(workers, need.sessions, starts_per_s)
    redis_cpu_share = wire.redis_cpu_share(things_per_s)
    cores = here.cores_per_stream
    memory_mb = _memory_mb(need.sessions / workers, here, capacity)
    worst_mb = _known(capacity.worst_mb, _memory_mb(holds, here, capacity))
    in_bytes, out_bytes = _line_bytes_per_s(need, here.answers_per_stream)
    return Estimate(
        p99_ms=here.p99_ms,
        workers=workers,
        streams_per_worker=holds,
        sessions_per_worker=need.sessions / workers,
        cores=workers * math.ceil(capacity.cores_per_worker - _CORES_WITHIN),
        cores_busy=None if cores is None else cores * need.sessions,
        memory_mb=None if memory_mb is None else workers * memory_mb,
        worst_memory_mb=None if worst_mb is None else workers * worst_mb,
        headroom=1 - need.sessions / (workers * holds),
        headroom_degraded=1 - need.sessions / ((workers - need.spare) * holds),
        starts_per_s=starts_per_s,
        redis_things_per_s=things_per_s,
        redis_cpu_share=redis_cpu_share,
        redis_nodes=wire.redis_nodes(redis_cpu_share, need.headroom),
        redis_memory_mb=wire.redis_memory_bytes(need.sessions, starts_per_s) / (1 << 20),
        redis_kb_per_s=wire.redis_bytes_per_s(things_per_s) / 1000,
        in_mbit_per_s=in_bytes * need.sessions * 8 / 1e6,
        out_mbit_per_s=out_bytes * need.sessions * 8 / 1e6,
        beyond_measured=capacity.beyond(need.chunk_ms, need.duty, workers),
        at_least=here.at_least,
        is_refusal_bound=here.is_refusal_bound,
    )


def _workers(need: Need, streams: float, capacity: Capacity) -> int:
    """The fewest that do; each round may need more, since each holds less the more there are."""
    workers = 1
    while True:
        holds = _holds(need, streams * capacity.share(workers), workers)
        wanted = max(
            math.ceil(need.sessions / (holds * (1 - need.headroom))), math.ceil(need.sessions / holds) + need.spare
        )
        if wanted <= workers:
            return workers
        workers = wanted


def _holds(need: Need, streams: float, workers: int) -> int:
    """How many sessions each of so many workers of so many streams holds; raises NothingHeldError where it is none."""
    holds = math.floor(streams + _ROUNDED)
    if not holds:
        they = "a worker holds" if workers == 1 else f"each of {workers:,} workers holds"
        part = f"{they} {math.floor(100 * streams) / 100:g} of a session"
        text = f"with {need.chunk_ms} ms chunks at duty {need.duty:g} {part}, and none can be let in"
        raise NothingHeldError(text)
    return holds


def _memory_mb(sessions: float, here: Around, capacity: Capacity) -> float | None:
    """Of a worker with so many sessions: as it was seen, or by what a session takes if that is more."""
    base_mb, kb = capacity.base_mb, capacity.kb_per_session
    reckoned_mb = None if base_mb is None or kb is None else base_mb + sessions * kb / 1024
    return _known(here.held_mb, reckoned_mb)


def _known(*figures: float | None) -> float | None:
    """The most of those that somebody measured."""
    return max((figure for figure in figures if figure is not None), default=None)


def _line_bytes_per_s(need: Need, answers_per_s: float) -> tuple[float, float]:
    """What a session has come in, which is audio also where it is silent, and go out, with what acknowledges either."""
    chunks_per_s = 1000 / need.chunk_ms
    chunk, chunk_ack = (
        size(need.chunk_ms, is_binary=need.is_binary) for size in (wire.chunk_bytes, wire.chunk_ack_bytes)
    )
    return (
        chunks_per_s * chunk + answers_per_s * wire.answer_ack_bytes(),
        answers_per_s * wire.answer_bytes() + chunks_per_s * chunk_ack,
    )
