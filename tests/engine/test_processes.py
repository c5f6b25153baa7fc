"""A model in processes of its own, which crash, hang, grow and answer nonsense: real ones, and real ends."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.wicked import (
    CRASH,
    CRASH_ONCE,
    EXIT,
    FICKLE,
    HANG,
    LEAK,
    LEAKED_BYTES,
    NONSENSE,
    RAISE,
    SAID,
    UNFIT,
    WAIT,
    WICKED,
    WICKED_BATCH,
    Client,
    Wickedness,
    wickedness,
)

from earful.engine.child import SWEEP_EVERY_S
from earful.engine.engine import Engine
from earful.engine.pool import ProcessRules
from earful.engine.processes import GRACE_S, RaisedInProcessError
from earful.models.loading import ModelLoadError, load_model
from earful.models.voice import BLOCK_BYTES, Voice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

ONE, TWO, THREE = (bytes([number]) * BLOCK_BYTES for number in (1, 2, 3))
BOTH = pytest.mark.parametrize("model", [WICKED, WICKED_BATCH])
FAILED, TIMED_OUT = (None, "model_failed"), (None, "model_timeout")


def words(*blocks: bytes) -> str:
    """What the mock says of an utterance."""
    voice = Voice(2)
    voice.hear(b"".join(blocks))
    return voice.finish()


@contextmanager
def no_more_files() -> Iterator[None]:
    """Nothing can be opened while the scope lasts."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def within(scenario: Callable[[Wickedness], Awaitable[None]], model: str = WICKED, **options: object) -> Wickedness:
    """Play a scenario with a model in one process, or as many as the options say."""

    async def main() -> Wickedness:
        async with wickedness(model, **options) as here:  # type: ignore[arg-type]  # the caller knows them
            await scenario(here)
        return here

    return asyncio.run(main())


@BOTH
def test_an_utterance_goes_through_as_without_them(model: str) -> None:
    """Fragments, the whole at its end, and the next one anew."""

    async def scenario(here: Wickedness) -> None:
        client = here.client("a")
        assert (words(ONE), None) == await client.say(ONE)
        assert (" " + words(TWO), None) == await client.say(TWO)
        assert 2 * BLOCK_BYTES == here.processes.kept_bytes
        assert (words(ONE, TWO, THREE), None) == await client.say(THREE, end=True)
        assert 0 == here.processes.kept_bytes
        assert (words(TWO), None) == await client.say(TWO, end=True)

    here = within(scenario, model)
    assert (4, 0, 0) == (here.engine.calls, here.engine.failures, here.processes.replays)


@BOTH
@pytest.mark.parametrize("deed", [CRASH, EXIT])
def test_a_crash_costs_its_own_utterance_and_nobody_else_a_word(model: str, deed: bytes) -> None:
    """It fails at the second process that it ends; the others are run again, and nothing is told twice."""

    async def scenario(here: Wickedness) -> None:
        wicked, good = here.client("wicked"), here.client("good")
        assert (words(ONE), None) == await good.say(ONE)
        assert (words(ONE), None) == await wicked.say(ONE)
        assert FAILED == await wicked.say(TWO + deed)
        assert (" " + words(TWO), None) == await good.say(TWO)
        assert (words(ONE, TWO, THREE), None) == await good.say(THREE, end=True)
        assert (words(THREE), None) == await wicked.say(THREE, end=True)

    here = within(scenario, model)
    assert {"died": 2} == here.pool.ends
    assert [RaisedInProcessError] == [type(error) for error in here.errors]


def test_a_process_that_dies_once_costs_nothing(tmp_path: Path) -> None:
    """Not even those whose audio it was: the next one hears it again, all of it."""

    async def scenario(here: Wickedness) -> None:
        client = here.client("a")
        assert (words(ONE), None) == await client.say(ONE)
        said, failure = await client.say(CRASH_ONCE + bytes(BLOCK_BYTES - len(CRASH_ONCE)))
        assert (True, None) == (str(said).startswith(" "), failure)
        whole = words(ONE, CRASH_ONCE + bytes(BLOCK_BYTES - len(CRASH_ONCE)), TWO)
        assert (whole, None) == await client.say(TWO, end=True)

    here = within(scenario, flag=str(tmp_path / "crashed"))
    assert ({"died": 1}, 1, []) == (here.pool.ends, here.processes.replays, here.errors)


def test_of_a_step_that_dies_each_is_heard_alone() -> None:
    """The one whose audio it was fails; the others do not."""

    async def scenario(here: Wickedness) -> None:
        first, wicked, third = (here.client(name) for name in "abc")
        said = await asyncio.gather(first.say(ONE), wicked.say(CRASH), third.say(TWO, end=True))
        assert [(words(ONE), None), FAILED, (words(TWO), None)] == list(said)
        assert (words(ONE, THREE), None) == await first.say(THREE, end=True)

    here = within(scenario, WICKED_BATCH)
    assert 2 <= here.pool.ends["died"] <= 3


def test_one_killed_from_outside_between_calls_is_not_noticed() -> None:
    """By any client: its utterances go on in the one that follows, or in another that is there."""

    async def scenario(here: Wickedness) -> None:
        clients = [here.client(str(number)) for number in range(4)]
        for client in clients:
            await client.say(ONE)
        os.kill(here.pids()[0], signal.SIGKILL)
        await here.until(lambda: here.pool.ends)
        for client in clients:
            assert (words(ONE, TWO), None) == await client.say(TWO, end=True)
        await here.until(lambda: 2 == here.pool.alive)

    here = within(scenario, number=2)
    assert ({"died": 1}, 2) == (here.pool.ends, here.processes.replays)


@BOTH
def test_one_that_hangs_is_ended(model: str) -> None:
    """With its loop: its call is answered in time, and who waited for it is heard by the next process."""

    async def scenario(here: Wickedness) -> None:
        wicked, good = here.client("wicked"), here.client("good")
        await good.say(ONE)
        hanging = asyncio.create_task(wicked.say(HANG))
        await here.until(lambda: here.engine.in_flight)
        assert (words(ONE, TWO), None) == await good.say(TWO, end=True)
        assert TIMED_OUT == await hanging
        assert (words(THREE), None) == await wicked.say(THREE, end=True)

    here = within(scenario, model, timeout_s=4.0)
    assert ({"hung": 1}, 1) == (here.pool.ends, here.engine.timeouts)


def test_one_whose_loop_turns_answers_for_a_call_that_waits() -> None:
    """Within its time, and it goes on: nothing is run again."""

    async def scenario(here: Wickedness) -> None:
        wicked, good = here.client("wicked"), here.client("good")
        await good.say(ONE)
        assert TIMED_OUT == await wicked.say(WAIT)
        assert (words(ONE, TWO), None) == await good.say(TWO, end=True)
        assert (words(THREE), None) == await wicked.say(THREE, end=True)

    here = within(scenario, timeout_s=0.3)
    assert ({}, 0) == (here.pool.ends, here.processes.replays)


@pytest.mark.parametrize("deed", [RAISE, NONSENSE])
def test_what_raises_or_answers_nonsense_costs_no_process(deed: bytes) -> None:
    """The call fails, and the log learns of what kind the error was and where, not its words."""

    async def scenario(here: Wickedness) -> None:
        client = here.client("a")
        await client.say(ONE)
        assert FAILED == await client.say(deed)
        assert (words(TWO), None) == await client.say(TWO, end=True)

    here = within(scenario)
    error = here.errors[0]
    assert isinstance(error, RaisedInProcessError)
    assert {RAISE: "LookupError", NONSENSE: "BadAnswerError"}[deed] == error.error
    assert SAID not in repr(error) + error.places
    assert (1, {}) == (len(here.errors), here.pool.ends)


def test_one_that_grows_is_replaced_before_it_ends() -> None:
    """Its open utterance ends where it began; there is always a process that takes works."""

    async def scenario(here: Wickedness) -> None:
        leaking, other = here.client("leaking"), here.client("other")
        (grown,) = here.pids()
        await leaking.say(LEAK + LEAK)
        await leaking.say(LEAK)
        await here.until(lambda: 2 == here.pool.alive)
        assert grown in here.pids()
        assert (words(ONE), None) == await other.say(ONE, end=True)
        await leaking.say(b"", end=True)
        await here.until(lambda: 1 == here.pool.alive)
        assert [grown] != here.pids()
        assert (words(TWO), None) == await leaking.say(TWO, end=True)

    here = within(scenario, max_bytes=2 * LEAKED_BYTES)
    assert ({"too_large": 1}, 0) == (here.pool.ends, here.processes.replays)


def test_one_that_grows_far_too_fast_is_ended_at_once() -> None:
    """Its open utterances are run again.

    The one that leaks stays open: between two of its utterances it would go on in the process that is to follow.
    """

    async def scenario(here: Wickedness) -> None:
        leaking, other = here.client("leaking"), here.client("other")
        await other.say(ONE)
        for _ in range(6):
            if not here.pool.ends:
                await leaking.say(LEAK)
        await here.until(lambda: here.pool.ends)
        assert (words(ONE, TWO), None) == await other.say(TWO, end=True)

    here = within(scenario, max_bytes=2 * LEAKED_BYTES)
    assert {"too_large": 1} == here.pool.ends
    assert here.processes.replays in (1, 2)  # The other's, and what leaked where that had not been answered.


def test_a_model_that_cannot_be_loaded_says_why() -> None:
    """In the sentence that it would say without processes."""
    with pytest.raises(ModelLoadError, match="could not be loaded: RuntimeError: no weights"):
        within(lambda here: here.until(lambda: False), UNFIT)


def test_a_model_that_is_too_large_from_the_beginning_is_refused() -> None:
    """It would be replaced for ever."""
    with pytest.raises(ModelLoadError, match="model_process_max_mb"):
        within(lambda here: here.until(lambda: False), max_bytes=1 << 20)


@pytest.mark.parametrize(("deed", "how"), [(CRASH, "SIGABRT"), (EXIT, "exit code 3")])
def test_how_a_process_ended_is_told(deed: bytes, how: str) -> None:
    """As the system says it, and how many utterances it had heard that are to be run again."""

    async def scenario(here: Wickedness) -> None:
        wicked = here.client("wicked")
        await here.client("good").say(ONE)
        assert FAILED == await wicked.say(deed)
        await here.until(lambda: 2 == len(here.ended))

    ended = within(scenario).ended
    assert [("died", how, "")] * 2 == [(end.cause, end.how, end.error) for end in ended]
    assert [1, 0] == [end.utterances for end in ended]


def test_what_cannot_be_loaded_again_says_why(tmp_path: Path) -> None:
    """In the log: the start has long been told that all is well."""
    flag = tmp_path / "gone"

    async def scenario(here: Wickedness) -> None:
        flag.touch()
        os.kill(here.pids()[0], signal.SIGKILL)
        await here.until(lambda: 2 <= len(here.ended))

    killed, unfit = within(scenario, FICKLE, flag=str(flag)).ended[:2]
    assert ("died", "SIGKILL", "") == (killed.cause, killed.how, killed.error)
    assert "not_loaded" == unfit.cause
    assert "RuntimeError: the weights are gone" in unfit.error


def test_without_a_process_works_wait_and_then_time_out() -> None:
    """The engine is not ready meanwhile; when there is one again, all is as before."""

    async def scenario(here: Wickedness) -> None:
        client = here.client("a")
        with no_more_files():
            os.kill(here.pids()[0], signal.SIGKILL)
            await here.until(lambda: here.pool.ends["not_started"])
            assert not here.engine.ready
            assert TIMED_OUT == await client.say(ONE)
        await here.until(lambda: here.engine.ready)
        assert (words(TWO), None) == await client.say(TWO, end=True)

    within(scenario, timeout_s=1.0)


def test_sessions_may_go_at_any_moment() -> None:
    """What waits for them is taken back, what is heard for them is heard by nobody, and nothing is kept."""

    async def scenario(here: Wickedness) -> None:
        busy, waiting, idle = (here.client(name) for name in "abc")
        await idle.say(ONE)
        tasks = [asyncio.create_task(busy.say(WAIT)), asyncio.create_task(waiting.say(ONE))]
        await here.until(lambda: (1, 1) == (here.engine.in_flight, here.engine.waiting))
        for client in (busy, waiting, idle):
            client.seat.close()
        assert (0, 0) == (here.engine.waiting, here.processes.kept_bytes)
        assert (words(TWO), None) == await here.client("d").say(TWO, end=True)
        assert [False, False] == [task.done() for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    within(scenario, timeout_s=0.3)


def test_sessions_are_spread_over_the_processes() -> None:
    """One after another, and again between utterances when one of them has fewer."""

    async def scenario(here: Wickedness) -> None:
        clients = [here.client(str(number)) for number in range(4)]
        for client in clients:
            await client.say(ONE, end=True)
        assert [2, 2] == [len(process.lanes) for process in here.pool.processes]
        clients[0].seat.close()
        clients[2].seat.close()
        assert [0, 2] == [len(process.lanes) for process in here.pool.processes]
        assert (words(TWO), None) == await clients[1].say(TWO, end=True)
        assert [1, 1] == [len(process.lanes) for process in here.pool.processes]

    within(scenario, number=2)


def test_processes_end_with_their_worker() -> None:
    """Also one that hangs, when the worker is killed before it can tell them: the kernel does it."""
    worker = Client.__module__
    program = (
        f"import asyncio\nfrom {worker} import *\n"
        "async def main():\n"
        "    async with wickedness(timeout_s=100) as here:\n"
        "        task = asyncio.create_task(here.client('a').say(HANG))\n"
        "        await here.until(lambda: here.engine.in_flight)\n"
        "        print(*here.pids(), flush=True)\n"
        "        await task\n"
        "asyncio.run(main())\n"
    )

    async def scenario() -> None:
        path = os.pathsep.join(filter(None, sys.path))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 15)
        (pid,) = map(int, line.split())
        process.kill()
        await process.wait()
        async with asyncio.timeout(30):
            while is_running(pid):  # noqa: ASYNC110 - it is nobody's child any more
                await asyncio.sleep(0.02)

    asyncio.run(scenario())


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie that nobody has looked after yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - one read, of a file of the kernel's
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_engine_that_is_closed_while_it_loads_leaves_no_process() -> None:
    """Its load is cancelled first, as a server does it."""

    async def scenario() -> None:
        engine = Engine(load_model(WICKED, {}), timeout_s=5, processes=ProcessRules(2))
        loading = asyncio.create_task(engine.load())
        await asyncio.sleep(0)
        loading.cancel()
        await asyncio.wait({loading})
        await engine.close(5.0)
        assert engine.processes is not None
        assert ([], False) == (engine.processes.pool.processes, engine.ready)

    asyncio.run(scenario())


def test_the_grace_is_longer_than_a_sweep() -> None:
    """Or a process whose loop turns would be ended for a call that waits."""
    assert GRACE_S > 2 * SWEEP_EVERY_S
