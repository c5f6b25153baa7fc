"""The beat: who speaks when."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.speech import SPEECH

from earful.bench.recording import Recording
from earful.bench.scenario.caller import Caller
from earful.bench.scenario.metronome import Metronome
from earful.bench.tally import Tally
from earful.bench.voice import Voice

VOICE = Voice(Recording(SPEECH, 100), 0)


def callers(number: int) -> list[Caller]:
    """So many that are connected, as far as they know."""

    async def main() -> list[Caller]:
        made = [Caller(b"", Tally(), VOICE, opts_in=False) for _ in range(number)]
        for caller in made:
            caller.is_open = True
        return made

    return asyncio.run(main())


@pytest.mark.parametrize(("chunk_ms", "moments"), [(20, 10), (100, 50), (1000, 500)])
def test_callers_are_spread_over_the_chunk_interval(chunk_ms: int, moments: int) -> None:
    """One at each moment, before there are two at any; each again an interval later."""
    beats = Metronome(chunk_ms, 10.0)
    there = callers(moments + 1)
    first_s = [round(beats.join(caller, 10.0), 6) for caller in there]
    assert moments == len(set(first_s))
    sizes = [len(beats.take(beat)) for beat in range(1, moments + 1)]
    assert [1] * (moments - 1) + [2] == sorted(sizes)
    assert first_s[0] == round(beats.due_s(1), 6)
    assert pytest.approx(10.0 + chunk_ms / 1000) == beats.due_s(moments)


def test_nobody_is_to_speak_in_the_past() -> None:
    """Who joins now speaks later, also where the beat is behind the clock, or ahead of it."""
    beats = Metronome(100, 10.0)
    one, other = callers(2)
    assert beats.join(one, 10.5) > 10.5
    beats.take(400)
    assert beats.join(other, 10.5) > beats.due_s(400)


def test_nobody_speaks_at_a_beat_from_before_it_joined() -> None:
    """Where the beat is intervals behind the clock it comes to the caller's moment again and again before."""
    beats = Metronome(20, 0.0)
    (one,) = callers(1)
    first_s = beats.join(one, 0.1)
    spoken = [beats.due_s(beat) for beat in range(75) if one in beats.take(beat)]
    assert [first_s, pytest.approx(first_s + 0.02), pytest.approx(first_s + 0.04)] == spoken


def test_who_stopped_or_is_gone_is_forgotten() -> None:
    """At its next turn."""
    beats = Metronome(20, 0.0)
    gone, stopped, there = callers(3)
    for caller in (gone, stopped, there):
        beats.join(caller, 0.0)
    gone.is_open = False
    stopped.stop(99.0)
    assert [there] == [caller for beat in range(1, 11) for caller in beats.take(beat)]
