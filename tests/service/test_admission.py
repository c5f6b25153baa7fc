"""Asking the doorkeeper: whatever it does, each caller has an answer in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import run_virtual
from tests.support.inside import Record

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import TRIED_FOR_S, Admission, Caller, Doorkeeper, Entrance
from earful.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WITHIN_S = 10.0
CALLER = Caller("/v1/transcribe/stream", [(b"authorization", b"me")], {"token": ["x"]}, "192.0.2.7")


class House:
    """An entrance, and what it tells."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self.metrics = Metrics(0.0)
        self.log = Record()
        self.now = 100.0
        self.entrance = Entrance(doorkeeper, WITHIN_S, self.metrics, self.log, lambda: self.now)

    async def answer(self) -> Admission | ErrorCode:
        """What the one caller is told."""
        try:
            return await self.entrance.ask(CALLER)
        except EarfulError as refused:
            return refused.code


def met(doorkeeper: Doorkeeper, scenario: Callable[[House], Awaitable[None]]) -> None:
    """Run it in virtual time; no deadline is left."""

    async def main() -> None:
        house = House(doorkeeper)
        await scenario(house)
        assert set() == house.entrance._deadlines

    run_virtual(main())


async def slow(caller: Caller) -> Admission:
    """Take longer than anybody waits."""
    del caller
    await asyncio.sleep(2 * WITHIN_S)
    return Admission()


async def stubborn(caller: Caller) -> Admission:
    """Not end at once when told to."""
    try:
        return await slow(caller)
    except asyncio.CancelledError:
        await asyncio.sleep(1)
        raise


def test_who_is_let_in_is_let_in_as_somebody() -> None:
    """The doorkeeper sees the request, and what it says is the answer."""
    seen = []

    async def friendly(caller: Caller) -> Admission:
        seen.append(caller)
        return Admission("acme")

    async def scenario(house: House) -> None:
        assert Admission("acme") == await house.answer()
        assert ([CALLER], {}) == (seen, house.metrics.refusals)

    met(friendly, scenario)


def test_who_is_refused_hears_the_doorkeepers_own_reason() -> None:
    """It is counted, and nothing is logged of it."""

    async def strict(caller: Caller) -> Admission:
        del caller
        raise EarfulError(ErrorCode.FORBIDDEN)

    async def scenario(house: House) -> None:
        assert ErrorCode.FORBIDDEN == await house.answer()
        assert ({"forbidden": 1}, []) == (house.metrics.refusals, house.log.events)

    met(strict, scenario)


@pytest.mark.parametrize("doorkeeper", [slow, stubborn])
def test_nobody_waits_for_ever(doorkeeper: Doorkeeper) -> None:
    """Who was not decided about may try again."""

    async def scenario(house: House) -> None:
        began = asyncio.get_running_loop().time()
        assert ErrorCode.OVERLOADED == await house.answer()
        assert WITHIN_S <= asyncio.get_running_loop().time() - began <= WITHIN_S + 1
        assert ["doorkeeper took too long"] == [line["event"] for line in house.log.events]

    met(doorkeeper, scenario)


@pytest.mark.parametrize("fault", [KeyError("secret"), TimeoutError("secret"), asyncio.CancelledError("secret")])
def test_a_fault_of_the_doorkeepers_is_ours_to_the_caller(fault: BaseException) -> None:
    """Also a time-out of its own, and something cancelled that it waited for; the log has where, and no words."""

    async def broken(caller: Caller) -> Admission:
        del caller
        raise fault

    async def scenario(house: House) -> None:
        assert ErrorCode.INTERNAL == await house.answer()
        (line,) = house.log.all_of("doorkeeper failed")
        assert (type(fault).__name__, True) == (line["error"], "broken" in line["traceback"])
        assert "secret" not in str(line)

    met(broken, scenario)


def test_a_drain_refuses_those_who_wait_and_those_who_come() -> None:
    """At once, and as draining."""

    async def scenario(house: House) -> None:
        waiting = [asyncio.ensure_future(house.answer()) for _ in range(3)]
        await asyncio.sleep(1)
        house.entrance.close()
        assert [ErrorCode.DRAINING] * 3 == await asyncio.gather(*waiting)
        assert ErrorCode.DRAINING == await house.answer()
        assert (1.0, []) == (asyncio.get_running_loop().time(), house.log.events)

    met(slow, scenario)


def test_a_drain_disturbs_none_who_is_refused_already() -> None:
    """The doorkeeper is still busy with its own end."""

    async def scenario(house: House) -> None:
        waiting = asyncio.ensure_future(house.answer())
        await asyncio.sleep(WITHIN_S + 0.5)
        house.entrance.close()
        assert ErrorCode.DRAINING == await waiting

    met(stubborn, scenario)


def test_a_caller_that_goes_takes_its_question_away() -> None:
    """Cancelled is no fault of the doorkeeper's."""

    async def scenario(house: House) -> None:
        waiting = asyncio.ensure_future(house.answer())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert (True, []) == (waiting.cancelled(), house.log.events)

    met(slow, scenario)


class Quick:
    """Lets in whoever is told to, at once; counts whom."""

    def __init__(self, answer: Admission | Exception, *, is_quick: bool = True) -> None:
        self.is_quick = is_quick
        self.counted = 0
        self._answer = answer

    async def __call__(self, caller: Caller) -> Admission:
        """As `decide`."""
        return self.decide(caller)

    def decide(self, caller: Caller) -> Admission:
        """Say it, or raise it."""
        del caller
        if isinstance(self._answer, Exception):
            raise self._answer
        self.counted += 1
        return self._answer

    def forget(self, caller: Caller) -> None:
        """One less."""
        del caller
        self.counted -= 1


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_quick_doorkeeper_is_asked_at_once(*, is_quick: bool) -> None:
    """Without a task; one that is not, or not now, is not asked."""
    acme = Admission("acme")
    doorkeeper = Quick(acme, is_quick=is_quick)

    async def scenario(house: House) -> None:
        assert (acme if is_quick else None) == house.entrance.ask_at_once(CALLER)
        assert acme == await house.answer()
        assert 1 + is_quick == doorkeeper.counted
        assert not house.entrance.is_tried

    met(doorkeeper, scenario)


def test_who_is_yet_to_come_counts_once() -> None:
    """Whoever only looks whether he would be refused is forgotten, unless he was."""
    quick = Quick(Admission("acme"))

    async def scenario(house: House) -> None:
        house.entrance.check(CALLER)
        assert 0 == quick.counted

    met(quick, scenario)

    async def unasked(house: House) -> None:
        house.entrance.check(CALLER)
        assert {} == house.metrics.refusals

    met(slow, unasked)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(EarfulError(ErrorCode.UNAUTHORIZED), ErrorCode.UNAUTHORIZED), (KeyError("secret"), ErrorCode.INTERNAL)],
)
def test_who_is_refused_at_once_is_counted_and_others_are_expected(fault: Exception, code: ErrorCode) -> None:
    """For a second; what fails is logged without its words."""

    async def scenario(house: House) -> None:
        with pytest.raises(EarfulError) as refused:
            house.entrance.check(CALLER)
        assert (code, {code.value: 1}) == (refused.value.code, house.metrics.refusals)
        tried = [house.entrance.is_tried]
        house.now += TRIED_FOR_S
        tried.append(house.entrance.is_tried)
        assert code is await house.answer()
        assert [True, False, True] == [*tried, house.entrance.is_tried]
        assert "secret" not in str(house.log.events)

    met(Quick(fault), scenario)


def test_only_who_asks_for_an_upgrade_has_others_expected() -> None:
    """Whichever transport asks; of REST, and of a token that `start` brings, nothing can be told beforehand."""

    async def scenario(house: House) -> None:
        others = [replace(CALLER, is_stream=False), replace(CALLER, token="late")]  # noqa: S106 - a name
        told = []
        for caller in (*others, CALLER):
            with pytest.raises(EarfulError):
                await house.entrance.ask(caller)
            told.append(house.entrance.is_tried)
        assert [False, False, True] == told
        assert {ErrorCode.UNAUTHORIZED.value: 3} == house.metrics.refusals

    met(Quick(EarfulError(ErrorCode.UNAUTHORIZED)), scenario)


def test_a_quick_doorkeeper_is_not_asked_by_a_worker_that_drains() -> None:
    """As no other is."""
    quick = Quick(Admission("acme"))

    async def scenario(house: House) -> None:
        house.entrance.close()
        with pytest.raises(EarfulError) as refused:
            house.entrance.check(CALLER)
        assert ErrorCode.DRAINING is refused.value.code
        assert ErrorCode.DRAINING is await house.answer()
        assert 0 == quick.counted

    met(quick, scenario)
