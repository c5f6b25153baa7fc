"""One work's way through a model, and every way a model can spoil it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.batch import batching
from tests.support.bench import TIMEOUT_S, Bench, at_bench
from tests.support.clock import run_virtual, settle, virtual_now
from tests.support.models import (
    Desk,
    answers,
    fails,
    final,
    fragment,
    loaded,
    make_work,
    scripted,
    sleeps,
)

from earful.engine.engine import Engine
from earful.errors import ErrorCode
from earful.models.inference import Inference
from earful.models.types import Outcome, SessionInfo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def test_an_utterance_goes_through() -> None:
    """Audio brings fragments, the end the whole utterance; both with one object."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        await bench.submit(end=True)
        await bench.submit(b"", end=True)

    bench = at_bench(scenario)
    assert [("a", None), ("a.", None), ("a.", None)] == bench.said
    assert [(0, "chunk 2"), (0, "chunk 2"), (0, "finalize"), (0, "finalize"), (0, "close")] == bench.model_class.log
    assert (3, 0, 0) == (bench.engine.calls, bench.engine.failures, bench.engine.replaced)


def test_a_model_is_as_busy_as_the_threads_that_it_names() -> None:
    """However many calls wait for them; what merely bears the name says nothing."""

    async def main() -> None:
        inference = Inference(3)
        engine = Engine(loaded(scripted(inference=inference)), timeout_s=TIMEOUT_S, clock=virtual_now)
        before = engine.places
        await engine.load()
        await inference.run(sum, range(10_000))
        assert (None, 3) == (before, engine.places)
        assert 0 < engine.busy_s == inference.busy_s
        await engine.close()
        other = Engine(loaded(scripted(inference=3, concurrency=2)), timeout_s=TIMEOUT_S, clock=virtual_now)
        await other.load()
        assert (2, 0) == (other.places, other.busy_s)
        await other.close()

    run_virtual(main())


def test_work_without_audio_or_end_asks_nothing() -> None:
    """It is answered with nothing said."""

    async def scenario(bench: Bench) -> None:
        await bench.submit(b"")

    bench = at_bench(scenario)
    assert ([("", None)], []) == (bench.said, bench.model_class.log)


def test_the_model_s_time_is_told() -> None:
    """In the outcome and to the observer, in seconds."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        await bench.pass_time(2)

    bench = at_bench(scenario, sleeps(1.5))
    assert [Outcome(fragment("late"), None, 1.5)] == bench.desk.outcomes
    assert [(1.5, None)] == bench.told


def test_open_comes_before_the_first_audio_and_once() -> None:
    """An object learns of its session when it is first needed."""
    opened: list[SessionInfo] = []

    async def open_(_: object, info: SessionInfo) -> None:
        opened.append(info)

    async def scenario(bench: Bench) -> None:
        assert [] == opened
        await bench.submit()
        await bench.submit(end=True)

    at_bench(scenario, open=open_)
    assert [SessionInfo("s")] == opened


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), SystemExit(1), BaseException("panic"), asyncio.CancelledError(), TimeoutError()]
)
def test_a_call_that_raises_has_failed(error: BaseException) -> None:
    """Its object is closed and replaced, the log hears of it, and the session goes on."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        await bench.submit()

    bench = at_bench(scenario, fails(error))
    assert [(None, ErrorCode.MODEL_FAILED), ("a", None)] == bench.said
    assert [(0, "chunk 2"), (0, "close"), (1, "chunk 2"), (1, "close")] == bench.model_class.log
    assert [("s", repr(error)), (0.0, ErrorCode.MODEL_FAILED), (0.0, None)] == bench.told
    assert (1, 0, 1) == (bench.engine.failures, bench.engine.timeouts, bench.engine.replaced)


@pytest.mark.parametrize("answer", [None, "text", fragment(None)])  # type: ignore[arg-type]
def test_nonsense_is_a_failure(answer: object) -> None:
    """What is no transcript never leaves the engine."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()

    assert [(None, ErrorCode.MODEL_FAILED)] == at_bench(scenario, answers(answer)).said


def test_the_end_is_answered_though_its_audio_failed() -> None:
    """By a new object, with the failure beside the result."""

    async def scenario(bench: Bench) -> None:
        await bench.submit(end=True)

    bench = at_bench(scenario, fails(RuntimeError()), answers(final("")))
    assert [("", ErrorCode.MODEL_FAILED)] == bench.said
    assert {(0, "chunk 2"), (0, "close"), (1, "finalize"), (1, "close")} == set(bench.model_class.log)


def test_an_end_that_fails_has_no_result() -> None:
    """Finalize is not tried on another object."""

    async def scenario(bench: Bench) -> None:
        await bench.submit(end=True)
        await bench.submit(end=True)

    bench = at_bench(scenario, answers(fragment("b")), fails(RuntimeError()))
    assert [(None, ErrorCode.MODEL_FAILED), ("a.", None)] == bench.said
    assert 2 == bench.model_class.made


def test_a_safe_call_is_made_again_once() -> None:
    """On the same object, for audio and end alike; the log hears of each failure."""

    async def scenario(bench: Bench) -> None:
        await bench.submit(end=True)

    error = RuntimeError("once")
    bench = at_bench(scenario, fails(error), answers(fragment("b")), fails(error), retry_safe=True)
    assert [("a.", None)] == bench.said
    assert [(0, "chunk 2")] * 2 + [(0, "finalize")] * 2 + [(0, "close")] == bench.model_class.log
    assert [("s", repr(error))] * 2 + [(0.0, None)] == bench.told


def test_a_safe_call_that_fails_twice_has_failed() -> None:
    """Once more, not more."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()

    bench = at_bench(scenario, *[fails(RuntimeError())] * 2, retry_safe=True)
    assert ([(None, ErrorCode.MODEL_FAILED)], 1) == (bench.said, bench.model_class.made)


def test_an_open_that_fails_fails_the_work() -> None:
    """The object is closed; the next work opens a new one."""
    results = [OSError("no device"), None]

    async def open_(_: object, __: SessionInfo) -> None:
        error = results.pop(0)
        if error is not None:
            raise error

    async def scenario(bench: Bench) -> None:
        await bench.submit()
        await bench.submit()

    bench = at_bench(scenario, open=open_)
    assert [(None, ErrorCode.MODEL_FAILED), ("a", None)] == bench.said
    assert [(0, "close"), (1, "chunk 2"), (1, "close")] == bench.model_class.log


def test_a_constructor_that_fails_fails_the_work() -> None:
    """There is no object to close, and the next work tries again."""

    class Second:
        made = 0

        def __init__(self) -> None:
            type(self).made += 1
            if type(self).made == 2:
                raise OSError

        async def transcribe_chunk(self, _: bytes) -> object:
            return fragment("b")

        finalize = transcribe_chunk

    async def main() -> list[ErrorCode | None]:
        engine, desk = Engine(loaded(Second), timeout_s=TIMEOUT_S), Desk()
        await engine.load()
        seats = [engine.seat(SessionInfo(str(nth))) for nth in range(3)]
        for seat in seats:
            seat.submit(make_work(), desk.deliver)
        await settle()
        await engine.close()
        return [outcome.failure for outcome in desk.outcomes]

    assert [None, ErrorCode.MODEL_FAILED, None] == run_virtual(main())


def test_observers_are_optional() -> None:
    """Failures of calls and closes need nobody to hear of them."""

    async def raises(_: object) -> None:
        raise OSError

    async def main() -> ErrorCode | None:
        engine, desk = Engine(loaded(scripted(fails(OSError()), close=raises)), timeout_s=1), Desk()
        await engine.load()
        engine.seat(SessionInfo("s")).submit(make_work(), desk.deliver)
        await settle()
        await engine.close()
        return desk.outcomes[0].failure

    assert ErrorCode.MODEL_FAILED == run_virtual(main())


@pytest.mark.parametrize("model_class", [scripted(answers(fragment("a")), fails(OSError())), batching()])
def test_whose_work_was_finished_is_told(model_class: type[Any]) -> None:
    """By the session's id, with the model's seconds and what failed; for both kinds of models."""
    told: list[tuple[str, float, ErrorCode | None]] = []

    def tell(*figures: Any) -> int:
        told.append(figures)
        return 0

    async def main() -> list[ErrorCode | None]:
        desk = Desk()
        engine = Engine(loaded(model_class), timeout_s=1, on_answer=tell)
        await engine.load()
        for session_id in ("one", "other"):
            engine.seat(SessionInfo(session_id)).submit(make_work(), desk.deliver)
            await settle()
        await engine.close()
        return [outcome.failure for outcome in desk.outcomes]

    failures = run_virtual(main())
    assert [("one", None), ("other", failures[1])] == [(name, failure) for name, _, failure in told]
    assert all(seconds >= 0 for _, seconds, _ in told)


def test_who_is_told_of_some_works_says_how_many_pass_before_the_next() -> None:
    """None is told of in between."""
    gaps, told = [2, 0, 1, 9], list[str]()

    def tell(session_id: str, *_: object) -> int:
        told.append(session_id)
        return gaps.pop(0)

    async def main() -> None:
        engine, desk = Engine(loaded(scripted()), timeout_s=1, on_answer=tell), Desk()
        await engine.load()
        for nth in range(10):
            engine.seat(SessionInfo(str(nth))).submit(make_work(), desk.deliver)
            await settle()
        await engine.close()

    run_virtual(main())
    assert ["0", "3", "4", "6"] == told


def test_ready_after_load_and_until_close() -> None:
    """An engine closed while it loads never becomes ready."""

    async def load(**_: object) -> None:
        await asyncio.sleep(1)

    async def main() -> AsyncIterator[bool]:
        for close_early in (False, True):
            engine = Engine(loaded(scripted(load=staticmethod(load))), timeout_s=TIMEOUT_S)
            loading = asyncio.create_task(engine.load())
            await settle()
            yield engine.ready
            if close_early:
                await engine.close()
            await loading
            yield engine.ready
            await engine.close()

    async def collect() -> list[bool]:
        return [ready async for ready in main()]

    assert [False, True, False, False] == run_virtual(collect())


def test_an_interrupt_is_not_the_model_s() -> None:
    """Ctrl-C during a call ends the worker, as it should."""

    async def scenario(bench: Bench) -> None:
        await bench.submit()

    with pytest.raises(KeyboardInterrupt):
        at_bench(scenario, fails(KeyboardInterrupt()))
