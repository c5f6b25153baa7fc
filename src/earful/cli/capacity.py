"""`earful bench --capacity FILE`: what one worker holds at several chunk sizes and duties, into a capacity file.

Guarantees that the file has every point that was found, also after Ctrl-C or where the server is gone, and stays as it
was where none was. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import math
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from msgspec import structs

from earful.bench.dialer import Dialer
from earful.bench.machine import where
from earful.bench.plan import CannotMeasureError, NoMoreFilesError
from earful.bench.report import FAILED, HELD, INTERRUPTED, nearest_miss, why_not
from earful.bench.run import Run
from earful.cli.asking import is_shedding
from earful.cli.measuring import loop_factory, open_output, recording_of, write
from earful.client.connecting import ConnectError, stream_url
from earful.planning.capacity import UNLIMITED, Capacity
from earful.planning.point import Point

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from earful.bench.figures import Figures, ServerFigures
    from earful.bench.plan import Plan
    from earful.bench.recording import Recording

CHUNKS_MS = (20, 100, 200)
DUTIES = (1.0, 0.4)
MARGIN_MS = 50.0
"""What may be added to the p99 of one stream alone: as much as is left of 100 ms by a model that takes 50."""
UNLOADED_CHUNKS = 100
"""So much that stream speaks at least: more of them at once could be too many for a model that holds few."""


def measure_capacity(url: str, plan: Plan, *, wav: str | None, file: str) -> int:
    """Find every point, and write the file; the exit code."""
    points: list[Point] = []
    code = HELD
    try:
        with ExitStack() as opened:
            out = open_output(file, opened)
            try:
                for chunk_ms, duty in product(CHUNKS_MS, DUTIES):
                    point = _point(url, replace(plan, chunk_ms=chunk_ms, duty=duty), wav)
                    # Later ones are given memory that the server has kept from those before.
                    points.append(structs.replace(point, kb_per_session=None) if points else point)
            except KeyboardInterrupt:
                code = INTERRUPTED
            finally:
                if out is not None and points:
                    write(out, _capacity(points, plan).text().rstrip())
    except (ConnectError, CannotMeasureError) as error:
        print(f"earful: {error}", file=sys.stderr)
        return FAILED
    return code


def _point(url: str, plan: Plan, wav: str | None) -> Point:
    """One of them; raises CannotMeasureError where one stream is not answered, or nobody is there at its end."""
    stream, recording = stream_url(url), recording_of(wav, plan.chunk_ms)
    unloaded_ms = _unloaded_ms(stream, plan, recording)
    print(f"{plan.chunk_ms} ms, duty {plan.duty:g}: p99 {unloaded_ms:.1f} ms unloaded", file=sys.stderr, flush=True)
    run = Run(stream, replace(plan, p99_ms=unloaded_ms + MARGIN_MS), recording, _tell, partial(is_shedding, url))
    is_ended = False
    try:
        _run(run.find())
    except NoMoreFilesError as error:
        if not run.found:
            raise
        print(f"  {error}", file=sys.stderr, flush=True)
        is_ended = True
    _run(Dialer.find(stream))  # To one that is gone by now the last steps were no measure of what it holds.
    point = _found(run, unloaded_ms, is_generator_bound=is_ended)
    if point.is_refusal_bound:
        print(_refused(point), file=sys.stderr, flush=True)
    return point


def _unloaded_ms(stream: str, plan: Plan, recording: Recording) -> float:
    """The p99 of one stream alone; raises CannotMeasureError where anything goes wrong with it."""
    seconds = max(plan.seconds, UNLOADED_CHUNKS * plan.chunk_s / plan.duty)
    alone = Run(stream, replace(plan, streams=1, seconds=seconds), recording, _say_nothing)
    _run(alone.measure())
    (step,) = alone.steps
    why = why_not(step, math.inf)
    if why or step.latency.p99_ms is None:
        raise CannotMeasureError(f"One stream alone cannot be measured: {why}.")
    return step.latency.p99_ms


def _found(run: Run, unloaded_ms: float, *, is_generator_bound: bool) -> Point:
    """The point of the step that held most; of no streams where none did."""
    # The last of so many streams: one that failed before was not believed.
    held = next((step for step in reversed(run.steps) if step.streams == run.found), None)
    server, miss = None if held is None else held.server, nearest_miss(run.steps, run.found or 0)
    return Point(
        chunk_ms=run.plan.chunk_ms,
        duty=run.plan.duty,
        streams=run.found or 0,
        p99_ms=round(run.plan.p99_ms, 1),
        unloaded_p99_ms=round(unloaded_ms, 1),
        answers_per_s=round(held.answers_per_s, 1) if held else 0.0,
        cpu_pct=_rounded(server.cpu_pct if server else None),
        base_mb=_rounded(server.resident_mb_start if server else None),
        kb_per_session=_rounded(grown_kb(run.steps[0].server)),
        held_mb=_rounded(server.resident_mb_end if server else None),
        worst_mb=_rounded(max(filter(None, (step.server.resident_mb_end for step in run.steps)), default=None)),
        is_generator_bound=is_generator_bound or (miss is not None and not miss.is_valid),
        is_refusal_bound=miss is not None and miss.is_refused(run.plan.p99_ms),
    )


def _refused(point: Point) -> str:
    """That its streams are the server's limit, which may be what one wants to know."""
    return (
        f"  {point.streams} streams are what the server lets in, not what its machine holds; to find that, measure one "
        f"that refuses nobody: earful serve {UNLIMITED}"
    )


def grown_kb(first: ServerFigures) -> float | None:
    """What a session took in the first step, for what an overloaded one made the server take, it keeps.

    None where it did not grow: what was there from points before was enough, and says nothing about a session.
    """
    kb = first.kb_per_session
    return kb if kb is not None and kb > 0 else None


def _capacity(points: list[Point], plan: Plan) -> Capacity:
    place = where()
    return Capacity(
        points=points,
        cpu=place["cpu"],
        cpu_count=place["cpu_count"],
        platform=place["platform"],
        versions=place["versions"],
        seconds=plan.seconds,
    )


def _run(work: Coroutine[Any, Any, object]) -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(work)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _tell(step: Figures, p99_ms: float) -> None:
    reason = why_not(step, p99_ms) or f"held, p99 {step.latency.p99_ms:.1f} ms"
    print(f"  {step.streams} streams: {reason}", file=sys.stderr, flush=True)


def _say_nothing(step: Figures, p99_ms: float) -> None:
    """It only says what to expect."""
