"""Every way a step can be spoiled, and whom it harms: items that fail, steps that raise, hang or answer nonsense."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.batch import TIMEOUT_S, Table, after, at_table, echo, raises, says
from tests.support.clock import settle
from tests.support.models import fragment, make_work

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


def test_a_model_that_takes_its_batch_apart_harms_itself() -> None:
    """Each is answered, and the next step is heard: what the model was given is not what the engine counts by."""

    async def takes(batch: Sequence[Step]) -> object:
        return [echo(batch.pop(0)) for _ in range(len(batch))]  # type: ignore[attr-defined]  # this is what is wrong

    async def scenario(table: Table) -> None:
        table.submit(1, 2)
        await settle()
        table.submit(1, 2)
        await settle()

    table = at_table(scenario, takes)
    assert [FAILED, FAILED, ("2", None), ("4", None)] == table.said
    assert "AttributeError" in table.told[0][1]


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


def test_an_interrupt_is_not_the_model_s() -> None:
    """Ctrl-C during a step ends the worker, as it should."""

    async def scenario(table: Table) -> None:
        table.submit(1)
        await settle()

    with pytest.raises(KeyboardInterrupt):
        at_table(scenario, raises(KeyboardInterrupt()))
