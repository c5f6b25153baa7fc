"""Deadlines, cancelled calls and closing objects: nothing hangs, and nothing is left."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.bench import TIMEOUT_S, Bench, at_bench, crowd
from tests.support.clock import run_virtual, settle, virtual_now
from tests.support.models import (
    Desk,
    fragment,
    ignores_cancel,
    loaded,
    make_work,
    scripted,
    sleeps,
)

from earful.engine.engine import Engine
from earful.errors import ErrorCode
from earful.models.types import SessionInfo


def test_a_call_past_its_deadline_is_given_up() -> None:
    """The sweep answers it, the object is closed when its call has ended, a new one goes on."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        await bench.pass_time(TIMEOUT_S - 0.25)
        assert [] == bench.said
        await bench.pass_time(0.25)
        await bench.submit(end=True)

    bench = at_bench(scenario, sleeps(100))
    assert [(None, ErrorCode.MODEL_TIMEOUT), ("a.", None)] == bench.said
    assert [(0, "chunk 2"), (0, "close")] == bench.model_class.log[:2]
    assert [(TIMEOUT_S, ErrorCode.MODEL_TIMEOUT), (0.0, None)] == bench.told
    assert (1, 1, 1) == (bench.engine.failures, bench.engine.timeouts, bench.engine.replaced)


def test_an_open_past_its_deadline_is_given_up() -> None:
    """Its object is closed though it never heard anything."""

    async def open_(_: object, __: SessionInfo) -> None:
        await asyncio.sleep(100)

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        await bench.pass_time(TIMEOUT_S)

    bench = at_bench(scenario, open=open_)
    assert ([(None, ErrorCode.MODEL_TIMEOUT)], [(0, "close")]) == (bench.said, bench.model_class.log)


def test_audio_and_end_share_one_deadline() -> None:
    """20 s for the audio and 20 s for the end are too much."""

    async def scenario(bench: Bench) -> None:
        await bench.submit(end=True)
        await bench.pass_time(TIMEOUT_S)

    assert [(None, ErrorCode.MODEL_TIMEOUT)] == at_bench(scenario, sleeps(20), sleeps(20)).said


@pytest.mark.parametrize("error", [None, RuntimeError("too late"), SystemExit(1)])
@pytest.mark.parametrize("retry_safe", [False, True])
def test_a_model_that_ignores_cancellation_hangs_nothing(error: BaseException | None, *, retry_safe: bool) -> None:
    """Its work is answered, its session goes on, what it says later is not heard, nothing is tried again."""

    async def scenario(bench: Bench) -> None:
        await bench.submit(end=True)
        await bench.pass_time(TIMEOUT_S)
        assert ([(None, ErrorCode.MODEL_TIMEOUT)], 1) == (bench.said, bench.engine.orphans)
        await bench.submit()
        assert ("a", None) == bench.said[1]
        await bench.pass_time(10)
        assert 0 == bench.engine.orphans

    bench = at_bench(scenario, ignores_cancel(35, error), retry_safe=retry_safe)
    assert 2 == len(bench.said)
    assert [(0, "chunk 2"), (1, "chunk 2"), (0, "close"), (1, "close")] == bench.model_class.log
    assert [TIMEOUT_S, 0.0] == [seconds for seconds, _ in bench.told]


def test_a_cancelled_call_keeps_its_place_until_it_ends() -> None:
    """The limit holds while a model winds down after its session has gone."""

    async def winds_down() -> object:
        try:
            return await asyncio.sleep(100, fragment("never"))
        finally:
            await asyncio.sleep(0.1)

    async def scenario(bench: Bench) -> None:
        seats = crowd(bench, 2)
        await settle()
        seats[0].close()
        await settle()
        assert (0, 1, 1) == (bench.engine.in_flight, bench.engine.waiting, bench.engine.orphans)
        await asyncio.sleep(0.11)
        assert (0, [("a", None)]) == (bench.engine.orphans, bench.said)

    at_bench(scenario, winds_down, concurrency=1)


def test_a_stuck_call_loses_its_place_at_the_next_sweep() -> None:
    """One that ignores cancellation must not stop a model with a single place."""

    async def scenario(bench: Bench) -> None:
        crowd(bench, 2)
        await bench.pass_time(TIMEOUT_S)
        assert [(None, ErrorCode.MODEL_TIMEOUT)] == bench.said
        await bench.pass_time(0.25)
        assert ("a", None) == bench.said[1]

    at_bench(scenario, ignores_cancel(40), concurrency=1)


def test_a_close_that_raises_or_hangs_is_noted() -> None:
    """The log hears of it; nothing waits longer than the timeout."""

    async def raises(_: object) -> None:
        raise SystemExit(2)

    async def hangs(_: object) -> None:
        await asyncio.sleep(1000)

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        bench.seat.close()
        await bench.pass_time(TIMEOUT_S)

    assert ("s", "SystemExit(2)") == at_bench(scenario, close=raises).told[-1]
    assert ("s", "TimeoutError()") == at_bench(scenario, close=hangs).told[-1]


def test_closing_the_engine_is_bounded() -> None:
    """A call that never ends and a close that hangs are left after the time given."""

    async def hangs(_: object) -> None:
        await asyncio.sleep(1000)

    async def main() -> tuple[bool, float, int, int]:
        model_class = scripted(ignores_cancel(60), close=hangs)
        engine, desk = Engine(loaded(model_class), timeout_s=TIMEOUT_S, clock=virtual_now), Desk()
        await engine.load()
        for session in "ab":
            engine.seat(SessionInfo(session)).submit(make_work(), desk.deliver)
        await settle()
        await engine.close(within_s=2)
        engine.seat(SessionInfo("late")).submit(make_work(), desk.deliver)
        closed_at_s, orphans = virtual_now(), engine.orphans
        await asyncio.sleep(60)
        return engine.ready, closed_at_s, orphans, len(desk.outcomes)

    ready, closed_at_s, orphans, delivered = run_virtual(main())
    assert (False, 1, 1) == (ready, orphans, delivered)
    assert pytest.approx(2.1) == closed_at_s


def test_a_call_cancelled_from_outside_is_answered_by_the_sweep() -> None:
    """Should somebody cancel the task itself, the work is still answered once."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        for task in asyncio.all_tasks():
            if task.get_name() == "model call":
                task.cancel()
        await bench.pass_time(TIMEOUT_S)

    assert [(None, ErrorCode.MODEL_TIMEOUT)] == at_bench(scenario, sleeps(100)).said
