"""Many sessions on one engine, failing at random: each work answered once, to its own session, in order."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import run_virtual, settle, virtual_now
from tests.support.models import fragment, loaded, make_work

from earful.engine.engine import Engine
from earful.models.types import SessionInfo, TranscriptResult, Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.models.types import Outcome, Step


class Moody:
    """Echoes its audio's number; sometimes slow, sometimes failing, sometimes deaf to cancellation."""

    dice = random.Random(0)  # noqa: S311 - a seeded test, no secret

    def __init__(self) -> None:
        self.calling = False

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Never be called twice at once; answer what came in."""
        assert not self.calling
        self.calling = True
        try:
            await asyncio.sleep(self.dice.choice([0, 0.1, 0.5, 2]))
        except asyncio.CancelledError:
            if self.dice.random() < 0.5:
                raise
        finally:
            self.calling = False
        if self.dice.random() < 0.1:
            raise RuntimeError
        return fragment(str(len(audio)))

    async def finalize(self) -> TranscriptResult:
        """Answer nothing."""
        return TranscriptResult("", is_final=True)


class MoodyTogether:
    """The same for a batch: items fail alone, steps fail whole, and no session is in two at once."""

    dice = random.Random(0)  # noqa: S311 - a seeded test, no secret

    def __init__(self) -> None:
        self.hearing: set[str] = set()

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """Answer what came in, or fail."""
        mine = {item.session.session_id for item in batch}
        assert not mine & self.hearing
        assert len(mine) == len(batch)
        self.hearing |= mine
        try:
            await asyncio.sleep(self.dice.choice([0, 0.1, 0.5, 2]))
        except asyncio.CancelledError:
            if self.dice.random() < 0.5:
                raise
        finally:
            self.hearing -= mine
        if self.dice.random() < 0.1:
            raise RuntimeError
        return [
            fragment(str(len(item.audio))) if self.dice.random() > 0.05 else RuntimeError("this one") for item in batch
        ]


class Talker:
    """One session that hands in the next work when the one before was answered, and may hang up."""

    def __init__(self, engine: Engine, number: int, works: int) -> None:
        self.seat = engine.seat(SessionInfo(str(number)))
        self.answered: list[int] = []
        self.sizes = [2 * (1000 * number + nth) + 2 for nth in range(works)]
        self.hangs_up_after = works if number % 3 else works // 2

    def go_on(self) -> None:
        """Hand in what comes next."""
        if len(self.answered) < len(self.sizes):
            self.seat.submit(make_work(bytes(self.sizes[len(self.answered)])), self.take)

    def take(self, work: Work, outcome: Outcome) -> None:
        """Note the answer; it is this session's, or a failure."""
        assert outcome.result is None or outcome.result.text == str(len(work.pcm))
        self.answered.append(len(work.pcm))
        if len(self.answered) == self.hangs_up_after:
            self.seat.close()
        self.go_on()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from([Moody, MoodyTogether]),
    limits=st.fixed_dictionaries(
        {
            "concurrency": st.sampled_from([None, 1, 3]),
            "max_batch": st.sampled_from([None, 2]),
            "retry_safe": st.booleans(),
        }
    ),
    sessions=st.integers(1, 8),
)
def test_each_work_is_answered_once_and_in_order(
    seed: int, kind: type[Any], limits: dict[str, Any], sessions: int
) -> None:
    """Whoever stays gets all answers, whoever hangs up none after that; nothing is left."""

    async def main() -> None:
        dice = random.Random(seed)  # noqa: S311 - a seeded test, no secret
        moody: Any = type("Moody", (kind,), {"dice": dice, **limits})
        engine = Engine(loaded(moody), timeout_s=1.0, clock=virtual_now)
        await engine.load()
        talkers = [Talker(engine, number, works=6) for number in range(sessions)]
        for talker in talkers:
            talker.go_on()
        for _ in range(4 * 120):
            await asyncio.sleep(0.25)
            engine.sweep(virtual_now())
        await settle()
        assert [talker.sizes[: talker.hangs_up_after] for talker in talkers] == [talker.answered for talker in talkers]
        assert (0, 0, 0) == (engine.in_flight, engine.waiting, engine.orphans)
        await engine.close()

    run_virtual(main())
