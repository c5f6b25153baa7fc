"""Work for a client ends when the client has gone, and only then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import run_virtual, virtual_now

from earful.errors import EarfulError, ErrorCode
from earful.service.departure import ClientGoneError, while_there

if TYPE_CHECKING:
    from collections.abc import Coroutine

NEVER = float("inf")


async def departure(after_s: float) -> None:
    """The client goes after so long, or stays."""
    await asyncio.sleep(after_s) if after_s < NEVER else await asyncio.Event().wait()


async def failing(after_s: float) -> None:
    """The server's own fault."""
    await asyncio.sleep(after_s)
    raise OSError("a server's fault")


async def working(watch: Coroutine[None, None, None], for_s: float, error: Exception | None = None) -> str:
    """Work so long; what comes of it."""
    async with while_there(watch):
        await asyncio.sleep(for_s)
        if error is not None:
            raise error
        return "done"


@pytest.mark.parametrize("after_s", [5.0, NEVER])
def test_work_that_is_done_first_is_done(after_s: float) -> None:
    """Nobody watches any longer, which the loop's own check sees to."""
    assert "done" == run_virtual(working(departure(after_s), 1.0))


@pytest.mark.parametrize("error", [EarfulError(ErrorCode.NOT_AUDIO), TimeoutError("the work's own")])
def test_what_the_work_raises_is_raised(error: Exception) -> None:
    """As it is; a timeout of its own is no departure."""
    with pytest.raises(type(error)) as raised:
        run_virtual(working(departure(NEVER), 1.0, error))
    assert error is raised.value


@pytest.mark.parametrize("after_s", [0.0, 2.0])
def test_work_ends_with_its_client(after_s: float) -> None:
    """At once, with an error of the table."""

    async def main() -> float:
        with pytest.raises(ClientGoneError) as gone:
            await working(departure(after_s), 3600.0)
        assert ErrorCode.BAD_REQUEST is gone.value.code
        return virtual_now()

    assert after_s == run_virtual(main())


def test_the_scope_ends_when_what_is_in_it_has_ended() -> None:
    """A thread that is waited for, say."""

    async def work() -> None:
        async with while_there(departure(1.0)):
            try:
                await asyncio.sleep(3600.0)
            finally:
                await asyncio.sleep(7.0)

    async def main() -> float:
        with pytest.raises(ClientGoneError):
            await work()
        return virtual_now()

    assert run_virtual(main()) == pytest.approx(8.0)


async def after_rounds(begin: asyncio.Event, rounds: int) -> None:
    """Be over so many turns of the loop after `begin`."""
    await begin.wait()
    for _ in range(rounds):
        await asyncio.sleep(0)


@pytest.mark.parametrize("leaves_after", range(6))
@pytest.mark.parametrize("done_after", range(6))
def test_both_at_one_moment_are_one_end(leaves_after: int, done_after: int) -> None:
    """Done, or gone; nothing of the watch comes to a scope that is over, which the loop would tell."""

    async def main() -> None:
        begin = asyncio.Event()
        asyncio.get_running_loop().call_soon(begin.set)
        try:
            async with while_there(after_rounds(begin, leaves_after)):
                await after_rounds(begin, done_after)
        except ClientGoneError:
            assert leaves_after <= done_after + 1

    run_virtual(main())


def test_a_fault_of_the_watch_is_raised() -> None:
    """The server is told its own, and the work does not go on unwatched."""
    with pytest.raises(OSError, match="a server's fault"):
        run_virtual(working(failing(1.0), 3600.0))


@pytest.mark.parametrize("after_s", [1.0, NEVER])
def test_who_is_cancelled_is_cancelled(after_s: float) -> None:
    """By the server's end, also where the client goes at that very moment."""

    async def main() -> None:
        task = asyncio.create_task(working(departure(after_s), 3600.0))
        asyncio.get_running_loop().call_later(1.0, task.cancel)
        await asyncio.wait({task})
        assert task.cancelled() or (after_s < NEVER and isinstance(task.exception(), ClientGoneError))

    run_virtual(main())
