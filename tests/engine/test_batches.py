"""Works together in steps: gathering, order, memory, and who is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.support.batch import TIMEOUT_S, Table, after, at_table, batching
from tests.support.clock import run_virtual, settle
from tests.support.models import Desk, fragment, loaded, make_work

from earful.engine.engine import Engine
from earful.errors import ErrorCode
from earful.models.types import Outcome, SessionInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from earful.models.types import Work

LATE = (None, ErrorCode.MODEL_TIMEOUT)


def test_what_comes_in_one_turn_goes_together() -> None:
    """Nothing is heard, or delivered, inside `submit`; results come in order."""

    async def scenario(table: Table) -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
        table.submit(3, 1, 2)
        assert ([], 3) == (table.log, table.engine.waiting)
        await settle()

    table = at_table(scenario)
    assert [[6, 2, 4]] == table.log
    assert [("6", None), ("2", None), ("4", None)] == table.said
    assert (3, 0, 0) == (table.engine.calls, table.engine.failures, table.engine.replaced)


def test_a_batch_gathers_while_the_model_is_busy() -> None:
    """One step at a time unless the model says otherwise; what came meanwhile is the next."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()
        table.submit(2)
        await settle()
        table.submit(3)
        assert (1, 2) == (table.engine.in_flight, table.engine.waiting)
        await table.pass_time(1.5)

    table = at_table(scenario, after(0.5), after(0.5))
    assert [[2], [4, 6]] == table.log
    assert [(1, 0.0, 0.5), (2, 0.5, 0.5)] == table.batches
    assert [(0.5, None)] * 3 == table.told


def test_steps_overlap_where_the_model_says_so() -> None:
    """Two at once, or without limit."""

    async def scenario(table: Table) -> None:
        for number in (1, 2, 3):
            table.submit(number)
            await settle()
        await table.pass_time(2)

    assert [0.0, 0.0, 0.75] == [
        waited for _, waited, _ in at_table(scenario, *[after(0.75)] * 3, concurrency=2).batches
    ]
    assert [0.0, 0.0, 0.0] == [
        waited for _, waited, _ in at_table(scenario, *[after(0.75)] * 3, concurrency=None).batches
    ]


def test_a_batch_is_no_larger_than_the_model_allows() -> None:
    """The oldest first; the rest is the next."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2, 3, 4, 5)
        await settle()

    assert [[2, 4], [6, 8], [10]] == at_table(scenario, max_batch=2).log


def test_what_a_delivery_hands_in_joins_the_next_batch() -> None:
    """All that are answered together can go on together."""

    async def scenario(table: Table) -> None:
        def again(work: Work, outcome: Outcome) -> None:
            table.desk.deliver(work, outcome)
            if len(table.said) <= 6:
                seats[len(work.pcm) // 2].submit(work, again)

        seats = {number: table.engine.seat(SessionInfo(str(number))) for number in (1, 2, 3)}
        for number, seat in seats.items():
            seat.submit(make_work(bytes(2 * number)), again)
        await settle()

    assert [[2, 4, 6]] * 3 == at_table(scenario).log


def test_memory_is_kept_from_step_to_step() -> None:
    """Per lane, to the end of the utterance and beyond; the end is one step with its audio."""

    async def scenario(table: Table) -> None:
        for lane in (0, 0, 1):
            table.submit(1, lane=lane)
            await settle()
        table.submit(1, end=True)
        table.submit(1, end=True, lane=1)
        await settle()

    table = at_table(scenario)
    assert ["2", "2", "2", "2+2+2", "2+2"] == [text for text, _ in table.said]
    assert [[2], [2], [2], [2, 2]] == table.log


def test_who_left_before_the_start_is_not_heard() -> None:
    """Its work is removed."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2, 3)
        table.seats[2].close()
        assert 2 == table.engine.waiting
        await settle()

    table = at_table(scenario)
    assert ([[2, 6]], 2) == (table.log, table.engine.calls)


def test_who_left_during_the_step_is_not_answered() -> None:
    """The others are; and what a delivery closes is not delivered either."""

    async def scenario(table: Table) -> None:
        def close(work: Work, outcome: Outcome) -> None:
            table.desk.deliver(work, outcome)
            table.seats[3].close()

        table.seats[2] = table.engine.seat(SessionInfo("2"))
        table.submit(1)
        table.seats[2].submit(make_work(bytes(4)), close)
        table.submit(3)
        await settle()
        table.seats[1].close()
        assert 2 == table.engine.in_flight
        await table.pass_time(1)

    assert [("4", None)] == at_table(scenario, after(1)).said
    assert [LATE] == at_table(lambda table: late(table, scenario), after(100)).said


async def late(table: Table, scenario: Callable[[Table], Awaitable[None]]) -> None:
    """The same, and nothing comes before the deadline."""
    await scenario(table)
    await table.pass_time(TIMEOUT_S)


def test_a_step_for_nobody_keeps_its_place_to_its_end() -> None:
    """Where places are counted: a step in a thread would go on, and meet the next. Its deadline holds."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()
        table.seats[1].close()
        table.submit(2)
        assert (0, 1, 0) == (table.engine.in_flight, table.engine.waiting, table.engine.orphans)
        await table.pass_time(2)

    assert [(1, 0.0, 1.0), (1, 1.0, 0.0)] == at_table(scenario, after(1)).batches


def test_a_step_for_nobody_is_cancelled_where_steps_overlap() -> None:
    """Nothing is left of a session that has gone."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2)
        await settle()
        table.seats[1].close()
        assert 0 == table.engine.orphans
        table.seats[2].close()
        assert 1 == table.engine.orphans
        await settle()
        assert 0 == table.engine.orphans

    assert [] == at_table(scenario, after(100), concurrency=None).said


def test_a_delivery_that_raises_keeps_nobody_from_his() -> None:
    """A bug of ours in one session is told to the loop; the rest of the batch is answered."""
    told: list[Any] = []

    async def scenario(table: Table) -> None:
        def fault(*_: object) -> None:
            raise ZeroDivisionError

        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        table.engine.seat(SessionInfo("1")).submit(make_work(), fault)
        table.submit(2)
        await settle()

    assert [("4", None)] == at_table(scenario).said
    assert [ZeroDivisionError] == [type(fault) for fault in told]


def test_works_wait_for_the_model_to_be_loaded() -> None:
    """Handed in before, they are the first batch."""

    async def main() -> list[Outcome]:
        engine, desk = Engine(loaded(batching()), timeout_s=1), Desk()
        engine.seat(SessionInfo("s")).submit(make_work(), desk.deliver)
        await settle()
        assert (0, 1) == (engine.in_flight, engine.waiting)
        await engine.load()
        await settle()
        await engine.close()
        return desk.outcomes

    assert [fragment("2")] == [outcome.result for outcome in run_virtual(main())]


def test_a_step_for_nobody_ends_with_the_engine() -> None:
    """However long it would have taken."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()
        table.seats[1].close()
        await settle()

    assert [(1, 0.0, 0.0)] == at_table(scenario, after(100)).batches
