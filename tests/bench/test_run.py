"""A run: one step, or a search whose judge is the server itself."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from tests.support.far_end import answering, in_time
from tests.support.inside import inside
from tests.support.speech import SPEECH

from earful.bench.plan import CannotMeasureError, Plan
from earful.bench.recording import Recording
from earful.bench.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.bench.figures import Figures

RECORDING = Recording(SPEECH, 50)
PATIENT = Plan(4, 50, 0.3, 0.5, p99_ms=10_000, most_late_ms=1e6)
NOBODY = (1 << 22) + 1


def run_of(
    url: str, plan: Plan, is_shedding: Callable[[], bool] = lambda: False
) -> tuple[Run, list[tuple[Figures, float]]]:
    """A run and what it tells."""
    told: list[tuple[Figures, float]] = []
    return Run(url, plan, RECORDING, lambda step, p99_ms: told.append((step, p99_ms)), is_shedding), told


def test_one_step_is_measured_against_a_real_server() -> None:
    """With figures of the process it runs in, which is this one."""
    with inside(mock_latency_ms=5) as server:
        run, told = run_of(server.address.ws, Plan(8, 50, 0.5, 1.0, start=True, pid=os.getpid(), most_late_ms=1e6))
        in_time(run.measure())
    ((step, p99_ms),) = told
    assert [step] == run.steps
    assert (100.0, None, "") == (p99_ms, run.found, step.failure)
    assert step.server.kb_per_session is not None


def test_the_search_finds_what_the_server_lets_in() -> None:
    """Six sessions: 4 hold, 8 do not, also at a second try, 6 do, and 7 do not."""
    with inside(mock_latency_ms=0, max_sessions=6) as server:
        run, told = run_of(server.address.ws, PATIENT)
        in_time(run.find())
    tried = [(4, True), (8, False), (8, False), (6, True), (7, False), (7, False)]
    assert tried == [(step.streams, step.holds(10_000)) for step, _ in told]
    assert 6 == run.found
    assert {"503": 2} == run.steps[1].trouble.refused


def test_the_next_step_waits_for_the_server_to_recover() -> None:
    """Or it would refuse what it could hold; the first waits for what was before the search."""

    async def main() -> None:
        asked: list[int] = []

        def is_shedding() -> bool:
            asked.append(len(told))
            return len(asked) in {1, 3, 4}

        async with answering() as there:
            run, told = run_of(there.url, Plan(2, 50, 0.1, 0.0, most_late_ms=0.0), is_shedding)
            await run.find()
            assert ([2, 2, 1, 1], [0, 0, 1, 1, 1, 2, 3, 4]) == ([step.streams for step, _ in told], asked)

    in_time(main())


def test_a_late_generator_holds_nothing() -> None:
    """Each number is tried again, and then fewer are."""

    async def main() -> None:
        async with answering() as there:
            run, told = run_of(there.url, Plan(4, 50, 0.1, 0.0, most_late_ms=0.0))
            await run.find()
            assert ([4, 4, 2, 2, 1, 1], 0) == ([step.streams for step, _ in told], run.found)

    in_time(main())


def test_idle_sessions_stay_through_all_steps() -> None:
    """They come once: the server hears `start` as often as there are of them."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth in {6, 7, 10, 11}) as there:
            run, _ = run_of(there.url, Plan(2, 50, 0.1, 0.0, idle=2, p99_ms=10_000, most_late_ms=1e6))
            await run.find()
            starts = [said for said in there.heard if said and said[0]["type"] == "start"]
            assert (2, 3) == (len(starts), run.found)
            assert all(step.idle is not None and step.idle.number == 2 for step in run.steps)

    in_time(main(), 19)


def test_nobody_there_is_a_sentence() -> None:
    """Neither a server nor, where one is named, a process."""
    run, told = run_of("ws://127.0.0.1:1/", PATIENT)
    with pytest.raises(CannotMeasureError, match="Nothing listens"):
        in_time(run.measure())
    run, told = run_of("ws://127.0.0.1:1/", Plan(pid=NOBODY))
    with pytest.raises(CannotMeasureError, match=f"There is no process {NOBODY} on this machine"):
        in_time(run.find())
    assert [] == told


def test_a_run_that_is_cancelled_keeps_its_steps() -> None:
    """The one under way, too."""

    async def main() -> None:
        async with answering() as there:
            run, told = run_of(there.url, Plan(4, 50, 3600, 0.0, most_late_ms=1e6))
            running = asyncio.create_task(run.find())
            await there.until(lambda: bool(there.heard) and len(there.heard[0]) > 5)
            running.cancel()
            await asyncio.wait([running])
        assert running.cancelled()
        assert (1, 0) == (len(told), run.found)
        assert 0 < run.steps[0].seconds < 20

    in_time(main())
