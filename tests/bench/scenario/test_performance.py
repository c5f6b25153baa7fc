"""Scenarios against a scripted server: who comes, who leaves, and that all of it is counted."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.support.clock import run_virtual, virtual_now
from tests.support.far_end import GRANTED, REFUSED, Line, answering, far_end, in_time, told
from tests.support.speech import SPEECH

from earful.bench import clock
from earful.bench.dialer import Dialer
from earful.bench.plan import Plan
from earful.bench.recording import Recording
from earful.bench.run import tree_of
from earful.bench.scenario.caller import NO_LAST_FINAL
from earful.bench.scenario.cast import Cast, Retrying
from earful.bench.scenario.performance import Performance
from earful.bench.scenario.shape import Phase, Shape, overload, soak
from earful.transport.frames import Opcode

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.support.far_end import FarEnd

RECORDING = Recording(SPEECH, 20)
PLAN = Plan(chunk_ms=20)
HASTY = Plan(chunk_ms=20, answer_within_s=0.3)
"""Where no answer will come that is still owed at the end."""
SHORT = Shape(name="short", phases=(Phase("up", 1.0, 5, 5), Phase("down", 1.0, 2, 2)))


def played_out(main: Coroutine[None, None, None]) -> None:
    """Run it on virtual time, by which the load speaks and measures."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(clock, "now", virtual_now)
        run_virtual(main, limit_s=60.0)


def performance(
    there: FarEnd, shape: Shape, plan: Plan = PLAN, *, retrying: Retrying | None = None, pid: int | None = None
) -> Performance:
    """One to a server that is known to listen."""
    cast = Cast(shape, plan, RECORDING, Dialer(there.url, "127.0.0.1"), retrying or Retrying())
    return Performance(shape, plan, RECORDING, cast, tree_of(pid))


async def listening(line: Line, *, final: bool = True) -> None:
    """Answer as a server does: each chunk with a partial, `stop` with the last final and a close."""
    line.send(GRANTED)
    heard = 0
    async for opcode, payload in line.messages():
        if opcode == Opcode.TEXT:
            message = json.loads(payload)
            heard += message["type"] == "audio_chunk"
            if message["type"] == "audio_chunk":
                line.send(told("partial", text="yes", sequence=message["sequence"]))
            elif message["type"] == "stop" and final:
                end = {"start_ms": 0, "end_ms": heard * 20, "last": True}
                line.send(told("final", text="yes", sequence=heard, **end))
                return


def test_the_level_is_kept_up_and_down() -> None:
    """Those that are too many say `stop`, have their last final, and are not lost."""

    async def main() -> None:
        async with far_end(listening) as there:
            played = performance(there, SHORT)
            await played.play()
        up, down = played.timeline.cells
        assert ("", 5, 2) == (played.tally.sentence(), up.streams, down.streams)
        assert (5, 0) == (up.arrived, down.arrived)
        assert up.latencies.count() == up.owed > 0
        assert up.good_s + down.good_s > 0

    played_out(main())


def test_the_refused_are_counted_and_do_not_come_back_at_once() -> None:
    """Their places are tried again after a second."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth % 2 == 0) as there:
            played = performance(there, Shape(name="flat", phases=(Phase("flat", 1.9, 4, 4),)))
            await played.play()
        first, second = played.timeline.cells
        assert (4, 2, 2) == (first.arrived, first.refused, first.refusals.count())
        assert (2, 1, 3) == (second.arrived, second.refused, second.streams)

    played_out(main())


def test_arrivals_come_whether_there_is_room_or_not() -> None:
    """Two hundred a second, each for a tenth of a second, of which all but the first are refused."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth > 0) as there:
            played = performance(there, overload(20, 1.0, 0.1, (1.0,)))
            await played.play()
        arrived = sum(cell.arrived for cell in played.timeline.cells)
        refused = sum(cell.refused for cell in played.timeline.cells)
        assert 180 < arrived < 260  # Were the refused to wait for their turn, it would be forty at most.
        assert arrived - 1 == refused

    played_out(main())


def test_the_refused_may_ask_again() -> None:
    """Only so many of them: each is let in at its third try, and of the others nothing is seen again."""
    asked: list[str] = []

    async def script(line: Line) -> None:
        asked.append(line.peer)
        if len(asked) > 20:
            await listening(line)
        else:
            line.send(REFUSED)

    async def main() -> None:
        async with far_end(script) as there:
            played = performance(there, overload(2, 1.0, 0.4, (1.0,)), retrying=Retrying(2, 0.05))
            await played.play()
        assert 20 == played.tally.refused["503"]
        assert len(asked) > 20

    played_out(main())


def test_nobody_asks_again_after_the_end() -> None:
    """Each interval has the refusals of the tries that began in it; those who give up at the end are not the last's."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth > 0) as there:
            played = performance(there, overload(20, 1.0, 1.0, (1.0,)), retrying=Retrying(20, 0.05))
            await played.play()
        cells = played.timeline.cells
        assert [cell.arrived - (nth == 0) for nth, cell in enumerate(cells)] == [cell.refused for cell in cells]
        refused = sum(cell.refused for cell in cells)
        assert refused == played.tally.refused["503"]

    played_out(main())


def test_a_try_that_is_not_answered_is_a_loss() -> None:
    """Of the interval in which it began, also where it is given up much later."""

    async def main() -> None:
        async with far_end(Line.last) as there:
            dialer = Dialer(there.url, "127.0.0.1", within_s=1.5)
            shape = Shape(name="flat", phases=(Phase("flat", 2.9, 3, 3),))
            cast = Cast(shape, HASTY, RECORDING, dialer)
            played = Performance(shape, HASTY, RECORDING, cast, None)
            await played.play()
        assert [(3, 3), (0, 0)] == [(cell.arrived, cell.lost) for cell in played.timeline.cells][:2]

    played_out(main())


def test_a_soak_replaces_its_sessions_and_some_misbehave() -> None:
    """Those that vanish or do not read are nobody's loss."""
    ends: list[int] = []

    async def script(line: Line) -> None:
        await listening(line)
        ends.append(1)

    async def main() -> None:
        async with far_end(script) as there:
            played = performance(there, soak(20, 2.0, 0.5))
            await played.play()
        assert "" == played.tally.sentence()
        arrived = sum(cell.arrived for cell in played.timeline.cells)
        assert 80 < arrived == len(ends)

    played_out(main())


def test_a_last_final_that_does_not_come_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session is given up in time."""
    monkeypatch.setattr("earful.bench.scenario.cast.LAST_FINAL_WITHIN_S", 0.2)

    async def main() -> None:
        async with far_end(lambda line: listening(line, final=False)) as there:
            played = performance(there, SHORT)
            await played.play()
        assert {NO_LAST_FINAL: 3} == played.tally.lost

    played_out(main())


def test_sessions_that_are_lost_are_counted_and_replaced() -> None:
    """What they were owed was not answered."""

    async def script(line: Line) -> None:
        line.send(GRANTED)
        heard = 0
        async for _ in line.messages():
            heard += 1
            if heard == 40:
                return

    async def main() -> None:
        async with far_end(script) as there:
            played = performance(there, Shape(name="flat", phases=(Phase("flat", 2.0, 3, 3),)), HASTY)
            await played.play()
        assert sum(cell.lost for cell in played.timeline.cells) == played.tally.lost["1006"] == 9
        assert sum(cell.owed for cell in played.timeline.cells) > 130
        assert 0 == sum(cell.latencies.count() for cell in played.timeline.cells)

    played_out(main())


def test_a_process_is_looked_at_each_interval() -> None:
    """This one, which is the server here, in real time: what it uses is real."""

    async def main() -> None:
        async with answering() as there:
            played = performance(there, Shape(name="flat", phases=(Phase("flat", 1.0, 2, 2),)), pid=os.getpid())
            await played.play()
        cells = [cell for cell in played.timeline.cells if cell.cpu_pct is not None]
        # In a single one a busy machine may have let it run for less than a tick.
        assert sum(cell.cpu_pct or 0 for cell in cells) > 0
        assert all((cell.resident_mb or 0) > 10 for cell in cells)

    in_time(main())


def test_a_performance_that_is_cancelled_leaves_nobody() -> None:
    """And tells how much of it was played; those that were about to come do not."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth > 2) as there:
            played = performance(there, Shape(name="flat", phases=(Phase("flat", 3600.0, 5, 5),)))
            playing = asyncio.create_task(played.play())
            await there.until(lambda: bool(there.heard) and len(there.heard[0]) > 60)
            playing.cancel()
            await asyncio.wait([playing])
        assert playing.cancelled()
        assert 1.2 == pytest.approx(played.seconds, abs=0.05)
        assert {} == played.tally.lost

    played_out(main())


def test_who_opts_in_says_start_first_and_who_speaks_in_turns_is_silent_between() -> None:
    """As in any step."""

    async def main() -> None:
        async with answering() as there:
            plan = Plan(chunk_ms=20, start=True, duty=0.4)
            await performance(there, Shape(name="flat", phases=(Phase("flat", 1.0, 4, 4),)), plan).play()
        assert [{"type": "start"}] * 4 == [said[0] for said in there.heard]
        silence = "A" * 800
        assert 0 < sum(message.get("data", "").startswith(silence) for said in there.heard for message in said)

    played_out(main())
