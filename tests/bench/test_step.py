"""A step against a scripted server: on schedule, every chunk, and figures of whatever happens."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING

import pytest
from tests.support.far_end import GRANTED, Line, answering, far_end, in_time
from tests.support.speech import SPEECH

from earful.bench.crowd import Crowd, Manner
from earful.bench.dialer import Dialer
from earful.bench.plan import CannotMeasureError, Plan
from earful.bench.process import ProcessTree
from earful.bench.recording import Recording
from earful.bench.step import Step
from earful.transport.frames import Opcode

if TYPE_CHECKING:
    from tests.support.far_end import FarEnd

    from earful.bench.figures import Figures

RECORDING = Recording(SPEECH, 20)
PLAN = Plan(streams=20, chunk_ms=20, seconds=0.4, warmup_s=0.1, most_late_ms=1e6, answer_within_s=0.2)
CHUNKS = 25


def step_of(there: FarEnd, plan: Plan = PLAN, *, crowd: Crowd | None = None, tree: ProcessTree | None = None) -> Step:
    """A step to a server that is known to listen."""
    return Step(plan, RECORDING, Dialer(there.url, "127.0.0.1"), crowd=crowd, tree=tree)


async def measured(there: FarEnd, plan: Plan = PLAN) -> Figures:
    """What a step to its end came to."""
    step = step_of(there, plan)
    await step.measure()
    figures = step.figures(None)
    assert figures is not None
    return figures


def test_every_stream_sends_every_chunk() -> None:
    """In order, its own, and is answered; nothing goes wrong."""

    async def main() -> None:
        async with answering() as there:
            figures = await measured(there)
        for said in there.heard:
            sequences = [message["sequence"] for message in said]
            assert list(range(1, len(said) + 1)) == sequences
            assert len(said) >= CHUNKS
        assert 20 == len({said[0]["data"] for said in there.heard})
        assert ("", 20, 20) == (figures.failure, figures.streams, figures.chunk_ms)
        assert figures.spoken == figures.latency.count > 100
        assert pytest.approx(20 * 20) == figures.chunks_per_s * figures.seconds
        assert 20 * 20 == figures.generator_late.count
        assert figures.seconds > 0.35

    in_time(main())


def test_start_comes_first_where_it_is_wanted() -> None:
    """And never else."""

    async def main() -> None:
        async with answering() as there:
            await measured(there, Plan(2, 20, 0.1, 0.1, start=True, answer_within_s=0.2))
            assert [{"type": "start"}] * 2 == [said[0] for said in there.heard]

    in_time(main())


def test_what_is_never_answered_is_no_latency() -> None:
    """Only the share tells of it; it is not waited for longer than wanted, and the streams speak meanwhile."""

    async def main() -> None:
        async with answering(answers=lambda sequence: sequence < 15) as there:
            figures = await measured(there)
        assert 0 < figures.answered_share < 0.97
        assert figures.failure.startswith("only ")
        assert {CHUNKS + 10} == {len(said) for said in there.heard}

    in_time(main())


def test_who_speaks_in_turns_sends_silence_between_them() -> None:
    """As many chunks, and fewer that count."""

    async def main() -> None:
        async with answering() as there:
            always = await measured(there)
            turns = await measured(there, Plan(20, 20, 0.4, 0.1, duty=0.3, most_late_ms=1e6, answer_within_s=0.2))
        silence = "A" * len(there.heard[0][0]["data"].rstrip("="))
        quiet = [message for said in there.heard for message in said if message["data"].startswith(silence)]
        assert 0.5 < len(quiet) / (20 * CHUNKS) < 0.9
        assert 0 < turns.spoken < always.spoken / 2

    in_time(main())


def test_lost_streams_are_counted_and_the_others_go_on() -> None:
    """Every second one ends in the middle of the window."""
    lines: list[Line] = []

    async def script(line: Line) -> None:
        lines.append(line)
        stays, heard = len(lines) % 2, 0
        line.send(GRANTED)
        async for opcode, _ in line.messages():
            heard += opcode == Opcode.TEXT
            if heard == 15 and not stays:
                return

    async def main() -> None:
        async with far_end(script) as there:
            step = step_of(there)
            await step.measure()
        figures = step.figures(None)
        assert figures is not None
        assert step._window_begin is not None
        assert step._window_end is not None
        assert (20, 10) == (step._window_begin.sessions, step._window_end.sessions)
        assert {"1006": 10} == figures.trouble.lost
        assert figures.failure.startswith("10 lost (1006)")
        assert 10 * 20 < figures.chunks_per_s * figures.seconds < 20 * 20

    in_time(main())


def test_where_everybody_is_lost_the_window_ends() -> None:
    """An hour was wanted."""

    async def script(line: Line) -> None:
        line.send(GRANTED)
        heard = 0
        async for _ in line.messages():
            heard += 1
            if heard == 15:
                return

    async def main() -> None:
        async with far_end(script) as there:
            figures = await measured(there, Plan(5, 20, 3600, 0.1, most_late_ms=1e6, answer_within_s=0.2))
        assert figures.seconds < 10
        assert {"1006": 5} == figures.trouble.lost

    in_time(main())


def test_where_all_are_lost_before_the_window_nothing_is_measured() -> None:
    """And the sentence says why."""

    async def script(line: Line) -> None:
        line.send(GRANTED)
        async for _ in line.messages():
            return

    async def main() -> None:
        async with far_end(script) as there:
            step = step_of(there)
            with pytest.raises(CannotMeasureError, match=r"ended before the measuring began: 20 lost \(1006\)\."):
                await step.measure()
            assert step.figures(None) is None

    in_time(main())


def test_handshakes_and_idle_sessions_are_beside_it() -> None:
    """Each with its own figures, and what went wrong with them is the step's failure."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth >= 5 and nth % 2 == 0) as there:
            manner = Manner(joining_per_s=1000, speaking_s=0.1)
            crowd = Crowd(3, RECORDING, 0.02, Dialer(there.url, "127.0.0.1"), manner)
            plan = Plan(2, 20, 0.2, 0.1, connect_rate=50, idle=3, most_late_ms=1e6, answer_within_s=0.2)
            async with crowd.gathered():
                step = step_of(there, plan, crowd=crowd)
                await step.measure()
                figures = step.figures(None)
        assert figures is not None
        assert figures.idle is not None
        assert figures.handshakes is not None
        assert figures.handshakes.latency is not None
        assert (3, 50, 5) == (figures.idle.number, figures.handshakes.number, figures.handshakes.latency.count)
        assert "handshakes: 5 refused with HTTP 503" == figures.failure

    in_time(main())


def test_a_process_is_looked_at_where_it_is_known() -> None:
    """This one, which is the server here."""

    async def main() -> None:
        async with answering() as there:
            tree = ProcessTree(os.getpid())
            before = tree.look()
            step = step_of(there, tree=tree)
            await step.measure()
        figures = step.figures(before)
        assert figures is not None
        assert figures.server.cpu_pct is not None
        assert figures.server.resident_mb_end is not None

    in_time(main())


def test_a_cancelled_step_has_figures_of_what_was_measured() -> None:
    """What was still owed counts neither way, and the collector works again."""

    async def main() -> None:
        async with answering() as there:
            step = step_of(there, Plan(5, 20, 3600, 0.1, most_late_ms=1e6))
            measuring = asyncio.create_task(step.measure())
            await there.until(lambda: bool(there.heard) and len(there.heard[0]) > CHUNKS)
            assert not gc.isenabled()
            measuring.cancel()
            await asyncio.wait([measuring])
            assert measuring.cancelled()
        figures = step.figures(None)
        assert figures is not None
        assert ("", 1.0) == (figures.failure, figures.answered_share)
        assert gc.isenabled()

    in_time(main())
