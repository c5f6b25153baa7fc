"""Refusals of a batch on virtual time: who tries again, when, and when no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import run_virtual, virtual_now

from earful.cli.refusals import PATIENCE_S, Refusals
from earful.client import ConnectError
from earful.client.losses import Advice, Loss

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def refusal(code: int = 503, retry_after_s: float = 0.0) -> ConnectError:
    """A server's."""
    return ConnectError(Loss(Advice.RESUME, "Full.", code, retry_after_s))


class Attempt:
    """One that fails so many times, each after a while, then is heard; `tried_s` says when it was tried."""

    def __init__(self, *errors: Exception, takes_s: float = 0.0, fails_after_s: float = 0.0) -> None:
        self.tried_s: list[float] = []
        self._errors = list(errors)
        self._takes_s = takes_s
        self._fails_after_s = fails_after_s

    async def __call__(self) -> str:
        """Try."""
        self.tried_s.append(virtual_now())
        if self._errors:
            await asyncio.sleep(self._fails_after_s)
            raise self._errors.pop(0)
        await asyncio.sleep(self._takes_s)
        return "heard"


def outlast(*attempts: Callable[[], Awaitable[str]]) -> tuple[list[str | BaseException], list[str]]:
    """What they come to, beside each other, and what is said; of every pause the longest is taken."""
    said: list[str] = []

    async def main() -> list[str | BaseException]:
        refusals = Refusals(lambda: 1.0)
        tries = (refusals.outlast(attempt, said.append) for attempt in attempts)
        return await asyncio.gather(*tries, return_exceptions=True)

    return run_virtual(main()), said


@pytest.mark.parametrize("code", [429, 503, 1012, 1013])
def test_who_is_refused_for_now_tries_again(code: int) -> None:
    """After ever longer pauses, which is said once."""
    attempt = Attempt(*[refusal(code)] * 4)
    assert (["heard"], ["refused for now, trying again ... (Full.)"]) == outlast(attempt)
    assert pytest.approx([0.0, 0.1, 0.3, 0.7, 1.5]) == attempt.tried_s


def test_the_server_says_when() -> None:
    """No try comes before that."""
    attempt = Attempt(refusal(retry_after_s=7.0), refusal(retry_after_s=3.0))
    assert ["heard"] == outlast(attempt)[0]
    assert pytest.approx([0.0, 7.1, 10.3]) == attempt.tried_s


@pytest.mark.parametrize("error", [refusal(401), refusal(1006), ValueError("x")])
def test_other_trouble_is_raised_at_once(error: Exception) -> None:
    """Another try would change nothing, or is the client's."""
    attempt = Attempt(error)
    assert [error] == outlast(attempt)[0]
    assert [0.0] == attempt.tried_s


@pytest.mark.parametrize("retry_after_s", [0.0, 4.0, 3600.0])
def test_patience_ends(retry_after_s: float) -> None:
    """For all of them together."""
    last = refusal(retry_after_s=retry_after_s)
    attempts = [Attempt(*[last] * 1000) for _ in range(3)]
    assert [last] * 3 == outlast(*attempts)[0]
    assert PATIENCE_S > max(attempt.tried_s[-1] for attempt in attempts)
    assert 20 > max(len(attempt.tried_s) for attempt in attempts)


@pytest.mark.parametrize("takes_s", [1.0, 10.0, 120.0])
@pytest.mark.parametrize("number", [2, 4])
def test_it_ends_where_refusals_are_slow_too(takes_s: float, number: int) -> None:
    """Those that wait for theirs do not keep each other waiting: none of them is heard."""
    last = refusal()
    attempts = [Attempt(*[last] * 1000, fails_after_s=takes_s) for _ in range(number)]
    assert [last] * number == outlast(*attempts)[0]
    assert 4 * PATIENCE_S > max(attempt.tried_s[-1] for attempt in attempts)


def test_what_is_not_tried_again_is_not_said_to_be() -> None:
    """A server may ask for more patience than there is."""
    last = refusal(retry_after_s=PATIENCE_S)
    assert ([last], []) == outlast(Attempt(last))


def test_one_that_was_lost_midway_was_heard_until_then() -> None:
    """The server ended under a long one, and refuses until it is there again."""

    async def main() -> str:
        refusals, said = Refusals(lambda: 1.0), list[str]()
        await refusals.outlast(Attempt(), said.append)
        with pytest.raises(ValueError, match="lost"):
            await refusals.outlast(Attempt(ValueError("lost"), fails_after_s=600.0), said.append)
        return await refusals.outlast(Attempt(*[refusal()] * 3), said.append)

    assert "heard" == run_virtual(main())


def test_it_does_not_while_others_are_heard() -> None:
    """The places may be their own: one that is heard for an hour costs the next nothing."""
    long = Attempt(takes_s=3600.0)

    async def second() -> str:
        tried.append(virtual_now())
        if virtual_now() < 3600.0:
            raise refusal
        return "heard"

    refusal, tried = ConnectError(Loss(Advice.RESUME, "Full.", 429, 1.0)), list[float]()
    assert ["heard"] * 2 == outlast(long, second)[0]
    assert 3606.1 > tried[-1]


def test_one_pauses_at_a_time() -> None:
    """At a rate of one a second each gets its turn."""
    attempts = [Attempt(refusal(429, 1.0)) for _ in range(3)]
    assert ["heard"] * 3 == outlast(*attempts)[0]
    assert pytest.approx([1.1, 2.3, 3.4]) == [attempt.tried_s[1] for attempt in attempts]
