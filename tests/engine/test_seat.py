"""A session at the engine: its lanes, its turn among others, and its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.bench import TIMEOUT_S, Bench, at_bench, crowd
from tests.support.clock import settle
from tests.support.models import (
    make_work,
    sleeps,
)

from earful.errors import ErrorCode
from earful.models.types import SessionInfo


def test_nothing_is_delivered_inside_submit() -> None:
    """Also where the loop starts tasks eagerly."""

    async def scenario(bench: Bench) -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
        bench.seat.submit(make_work(), bench.desk.deliver)
        assert [] == bench.said
        await settle()

    assert [("a", None)] == at_bench(scenario).said


def test_deliver_may_submit_the_next() -> None:
    """The lane is free when its outcome arrives."""

    async def scenario(bench: Bench) -> None:
        def again(*answer: Any) -> None:
            bench.desk.deliver(*answer)
            bench.seat.submit(make_work(b"", end=True), bench.desk.deliver)

        bench.seat.submit(make_work(), again)
        await settle()

    assert [("a", None), ("a.", None)] == at_bench(scenario).said


def test_each_lane_has_an_object() -> None:
    """Lanes overlap; a second work in the same lane is the caller's mistake."""

    async def scenario(bench: Bench) -> None:
        await bench.submit(lane=0)
        await bench.submit(lane=1)
        assert 2 == bench.engine.in_flight
        with pytest.raises(AssertionError, match="one work in flight"):
            await bench.submit(lane=1)
        await bench.pass_time(1)

    bench = at_bench(scenario, sleeps(1), sleeps(1))
    assert [(0, "chunk 2"), (1, "chunk 2")] == bench.model_class.log[:2]
    assert [("late", None), ("late", None)] == bench.said


def test_it_knows_how_long_its_oldest_audio_waits() -> None:
    """From the moment the audio was there, not from the call; nothing waits where all is answered."""

    async def scenario(bench: Bench) -> None:
        assert 0 == bench.seat.waiting_s(9.0)
        await bench.submit(lane=0)
        await bench.submit(lane=1)
        assert 9 == bench.seat.waiting_s(9.0)
        await bench.pass_time(1)
        assert 0 == bench.seat.waiting_s(9.0)

    at_bench(scenario, sleeps(1), sleeps(1))


def test_closing_a_seat_cancels_and_is_silent() -> None:
    """What is in flight is not delivered, its object is closed, more work is not taken."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        await bench.submit(lane=1)
        bench.seat.close()
        bench.seat.close()
        await settle()
        assert 0 == bench.engine.in_flight
        await bench.submit()

    bench = at_bench(scenario, sleeps(1), sleeps(1))
    assert [] == bench.said
    assert {(0, "close"), (1, "close")} == set(bench.model_class.log[2:])
    assert (0, 2) == (bench.engine.failures, bench.engine.calls)


def test_a_seat_may_be_closed_before_its_call_began() -> None:
    """The model is not asked."""

    async def scenario(bench: Bench) -> None:
        bench.seat.submit(make_work(), bench.desk.deliver)
        bench.seat.close()
        await settle()

    bench = at_bench(scenario)
    assert ([], []) == (bench.said, bench.model_class.log)


def test_deliver_may_close_a_seat_the_sweep_is_about_to_answer() -> None:
    """Two lanes late at once, the first's delivery closes the seat: the second is not delivered."""

    async def scenario(bench: Bench) -> None:
        def close(*answer: Any) -> None:
            bench.desk.deliver(*answer)
            bench.seat.close()

        for lane in (0, 1):
            bench.seat.submit(make_work(lane=lane), close)
        await bench.pass_time(TIMEOUT_S)

    assert [(None, ErrorCode.MODEL_TIMEOUT)] == at_bench(scenario, sleeps(100), sleeps(100)).said


def test_no_more_calls_than_the_model_allows() -> None:
    """Two at once, the oldest first."""

    async def scenario(bench: Bench) -> None:
        crowd(bench, 5)
        counts = []
        for _ in range(4):
            counts.append((bench.engine.in_flight, bench.engine.waiting, len(bench.said)))
            await bench.pass_time(1)
        assert [(2, 3, 0), (2, 1, 2), (1, 0, 4), (0, 0, 5)] == counts

    bench = at_bench(scenario, *[sleeps(0.9)] * 5, concurrency=2)
    begun = [what for _, what in bench.model_class.log if what != "close"]
    assert ["chunk 2", "chunk 4", "chunk 6", "chunk 8", "chunk 10"] == begun


def test_without_a_limit_calls_overlap() -> None:
    """A hundred calls of a second take a second."""

    async def scenario(bench: Bench) -> None:
        crowd(bench, 100)
        await bench.pass_time(1)

    assert [("late", None)] * 100 == at_bench(scenario, *[sleeps(1)] * 100).said


def test_who_was_just_answered_goes_to_the_end() -> None:
    """With one place, a session that always has more does not push in front of one that waits."""

    async def scenario(bench: Bench) -> None:
        one, two = bench.engine.seat(SessionInfo("1")), bench.engine.seat(SessionInfo("2"))

        def again(*answer: Any) -> None:
            bench.desk.deliver(*answer)
            one.submit(make_work(bytes(6)), bench.desk.deliver)

        one.submit(make_work(bytes(2)), again)
        two.submit(make_work(bytes(4)), bench.desk.deliver)
        await bench.pass_time(3)

    bench = at_bench(scenario, *[sleeps(0.5)] * 3, concurrency=1)
    assert [2, 4, 6] == [len(work.pcm) for work in bench.desk.works]


def test_waiting_costs_no_deadline() -> None:
    """Three calls of 20 s one after the other are all in time."""

    async def scenario(bench: Bench) -> None:
        crowd(bench, 3)
        await bench.pass_time(61)

    assert [("late", None)] * 3 == at_bench(scenario, *[sleeps(20)] * 3, concurrency=1).said


def test_closing_a_waiting_seat_leaves_the_queue() -> None:
    """Its work is never begun, and takes nobody's turn."""

    async def scenario(bench: Bench) -> None:
        seats = crowd(bench, 3)
        seats[1].close()
        assert 1 == bench.engine.waiting
        await bench.pass_time(2)

    bench = at_bench(scenario, *[sleeps(0.5)] * 3, concurrency=1)
    assert ([2, 6], 2) == ([len(work.pcm) for work in bench.desk.works], bench.engine.calls)
