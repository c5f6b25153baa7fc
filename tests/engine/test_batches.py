"""Works together in steps: gathering, order, memory, and every way a step can be spoiled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.batch import TIMEOUT_S, Table, after, at_table, batching, echo, raises, says
from tests.support.clock import run_virtual, settle
from tests.support.models import Desk, fragment, loaded, make_work

from earful.engine.engine import Engine
from earful.errors import ErrorCode
from earful.models.types import Outcome, SessionInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from earful.models.types import Step, Work

FAILED = (None, ErrorCode.MODEL_FAILED)
LATE = (None, ErrorCode.MODEL_TIMEOUT)


def poisoned_by(
    *sizes: int, error: type[BaseException] = RuntimeError
) -> Callable[[Sequence[Step]], Awaitable[object]]:
    """Step: raise where one of these sizes is among the items, else echo."""

    async def step(batch: Sequence[Step]) -> object:
        if any(len(item.audio) // 2 in sizes for item in batch):
            raise error
        return [echo(item) for item in batch]

    return step


def deaf(seconds: float, error: BaseException | None = None) -> Callable[[Sequence[Step]], Awaitable[object]]:
    """Step: take so long whoever cancels it, then echo, or raise `error`."""

    async def step(batch: Sequence[Step]) -> object:
        end = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(seconds, end.set_result, None)
        while not end.done():
            try:
                await asyncio.shield(end)
            except asyncio.CancelledError:
                continue
        if error is not None:
            raise error
        return [echo(item) for item in batch]

    return step


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


def test_an_item_s_failure_is_its_session_s_alone() -> None:
    """Its memory is dropped, the log hears of it, the others go on; nobody tries it again."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2, 3)
        await settle()
        table.submit(1, 2, 3)
        await settle()
        table.submit(1, 2, 3, end=True)
        await settle()

    async def echoes(batch: Sequence[Step]) -> object:
        return [echo(item) for item in batch]

    async def one_fails(batch: Sequence[Step]) -> object:
        return [echo(item) if len(item.audio) != 4 else OSError("gone") for item in batch]

    table = at_table(scenario, echoes, one_fails, retry_safe=True)
    assert [("2", None), FAILED, ("6", None)] == table.said[3:6]
    assert ["2+2+2", "4", "6+6+6"] == [text for text, _ in table.said[6:]]
    assert ("2", "OSError('gone')") in table.told
    assert (1, 0, 1, 3) == (table.engine.failures, table.engine.timeouts, table.engine.replaced, len(table.log))


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), SystemExit(1), BaseException("panic"), asyncio.CancelledError(), TimeoutError()]
)
def test_a_step_that_raises_fails_its_batch(error: BaseException) -> None:
    """The log hears of it once, and the next is heard."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2)
        await settle()
        table.submit(1, 2)
        await settle()

    table = at_table(scenario, raises(error))
    assert [FAILED, FAILED, ("2", None), ("4", None)] == table.said
    failed = (0.0, ErrorCode.MODEL_FAILED)
    assert [("1", repr(error)), failed, failed, (0.0, None), (0.0, None)] == table.told
    assert [(2, 0.0, 0.0)] * 2 == table.batches


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "must answer a sequence, not NoneType"),
        ([], "a step of 2 must answer as many results, not 0"),
        ([fragment("a")], "not 1"),
        ([fragment("a")] * 3, "not 3"),
        ({1: fragment("a"), 2: fragment("b")}, "not dict"),
    ],
)
@pytest.mark.parametrize("retry_safe", [False, True])
def test_a_wrong_number_of_answers_fails_the_batch(answer: object, words: str, *, retry_safe: bool) -> None:
    """Nobody can say whose they are; nothing is tried again."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2)
        await settle()

    table = at_table(scenario, says(answer), retry_safe=retry_safe)
    assert ([FAILED, FAILED], 1) == (table.said, len(table.log))
    assert words in table.told[0][1]


def test_nonsense_fails_its_item() -> None:
    """Any sequence will do; what is no transcript in it never leaves the engine."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2, 3)
        await settle()

    table = at_table(scenario, says(None, fragment("b"), fragment(7)))  # type: ignore[arg-type]
    assert [FAILED, ("b", None), FAILED] == table.said


def test_one_poisonous_session_harms_no_other() -> None:
    """Where steps may be made again: it fails alone, the others are heard; from then on it is alone."""

    async def scenario(table: Table) -> None:
        for _ in range(3):
            table.submit(*range(1, 9))
            await settle()

    table = at_table(scenario, *[poisoned_by(6)] * 40, retry_safe=True)
    heard = [(str(2 * number), None) for number in range(1, 9) if number != 6]
    assert sorted([*heard, FAILED] * 3, key=str) == sorted(table.said, key=str)
    assert [12] in table.log
    first = 1 + 2 * 3
    assert [[2, 4, 6, 8, 10, 14, 16], [12]] * 2 == table.log[first:]


def test_who_behaves_again_shares_again() -> None:
    """One step that goes well, alone, is enough."""

    async def scenario(table: Table) -> None:
        for _ in range(4):
            table.submit(1, 2)
            await settle()

    table = at_table(scenario, *[poisoned_by(2)] * 3, retry_safe=True)
    assert [[2, 4], [2], [4], [2], [4], [2, 4], [2, 4]] == table.log
    assert [("2", None), FAILED] == table.said[:2]


def test_a_safe_step_of_one_is_made_again_once() -> None:
    """A passing failure is nobody's."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()

    assert [("2", None)] == at_table(scenario, raises(OSError()), retry_safe=True).said
    assert [FAILED] == at_table(scenario, *[raises(OSError())] * 2, retry_safe=True).said


def test_what_left_meanwhile_is_not_tried_again() -> None:
    """The delivery of the first half closes the second's only seat."""

    async def scenario(table: Table) -> None:
        def close(work: Work, outcome: Outcome) -> None:
            table.desk.deliver(work, outcome)
            table.seats[2].close()

        table.seats[1] = table.engine.seat(SessionInfo("1"))
        table.seats[1].submit(make_work(bytes(2)), close)
        table.submit(2)
        await settle()

    for concurrency in (1, None):
        table = at_table(scenario, raises(OSError()), retry_safe=True, concurrency=concurrency)
        assert ([[2, 4], [2]], [("2", None)]) == (table.log, table.said)


def test_a_batch_past_its_deadline_is_given_up() -> None:
    """All of it is late; the next goes on with a memory of its own."""

    async def scenario(table: Table) -> None:
        table.submit(1, 2)
        await table.pass_time(TIMEOUT_S - 0.25)
        assert [] == table.said
        await table.pass_time(0.25)
        assert [LATE, LATE] == table.said
        table.submit(1, end=True)
        await settle()

    table = at_table(scenario, after(100))
    assert ("2", None) == table.said[2]
    assert (2, 2, 2) == (table.engine.failures, table.engine.timeouts, table.engine.replaced)
    assert (2, 0.0, TIMEOUT_S) == table.batches[0]


def test_a_batch_in_time_is_left_alone() -> None:
    """The sweep looks no further than the first that still has time."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await table.pass_time(20)
        table.submit(2)
        await table.pass_time(20)

    assert [LATE, ("4", None)] == at_table(scenario, after(100), after(15), concurrency=2).said


@pytest.mark.parametrize("error", [None, RuntimeError("too late"), SystemExit(1)])
@pytest.mark.parametrize("retry_safe", [False, True])
def test_a_stuck_batch_loses_its_place_at_the_next_sweep(error: BaseException | None, *, retry_safe: bool) -> None:
    """A model that ignores cancellation stops nobody; what it says later is not heard."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()
        table.submit(2)
        await table.pass_time(TIMEOUT_S)
        assert ([LATE], 1, 1) == (table.said, table.engine.orphans, table.engine.waiting)
        await table.pass_time(0.25)
        assert [LATE, ("4", None)] == table.said
        await table.pass_time(10)
        assert 0 == table.engine.orphans

    table = at_table(scenario, deaf(35, error), retry_safe=retry_safe)
    assert 2 == len(table.said)


def test_a_batch_cancelled_from_outside_is_answered_by_the_sweep() -> None:
    """Should somebody cancel the task itself, the works are still answered once."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()
        for task in asyncio.all_tasks():
            if task.get_name() == "model batch":
                task.cancel()
        await table.pass_time(TIMEOUT_S)

    assert [LATE] == at_table(scenario, after(100)).said


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


def test_an_interrupt_is_not_the_model_s() -> None:
    """Ctrl-C during a step ends the worker, as it should."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()

    with pytest.raises(KeyboardInterrupt):
        at_table(scenario, raises(KeyboardInterrupt()))
