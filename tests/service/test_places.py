"""Who gets a place: by limits, rate and level; resumes before new sessions, uploads first to be refused."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, cast

import pytest
from tests.service.test_headroom import measured
from tests.service.worker import LIMITS, registered
from tests.support.speech import of_type
from tests.support.wire import RecordingWire

from earful.errors import ERRORS, EarfulError, ErrorCode
from earful.service.admission import UNDECIDED, Admission, TenantLimits
from earful.service.ladder import Level

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from earful.service.headroom import Headroom
    from earful.service.loop_load import LoopLoad
    from earful.service.registry import Registry

ACME = Admission("acme", TenantLimits(max_sessions=1))
LOTS = dataclasses.replace(LIMITS, max_sessions=100)


def refusal(place: AbstractContextManager[object]) -> str:
    """Why there is none; empty where there is."""
    try:
        with place:
            return ""
    except EarfulError as refused:
        return refused.text


@pytest.mark.parametrize(
    ("level", "lets_in"),
    [
        (Level.NORMAL, ["upload", "new", "resumed"]),
        (Level.FEWER_PARTIALS, ["upload", "new", "resumed"]),
        (Level.FINALS_ONLY, ["new", "resumed"]),
        (Level.NO_NEW_SESSIONS, ["resumed"]),
        (Level.HANDING_OVER, ["resumed"]),
    ],
)
def test_each_level_lets_fewer_in(level: Level, lets_in: list[str]) -> None:
    """Uploads are refused first, then new sessions; who resumes never is. What is checked before is the same."""

    async def scenario(registry: Registry) -> None:
        registry.enter(level)
        places = {"upload": registry.upload(), "new": registry.slot(), "resumed": registry.slot(resuming=True)}
        refusals = {name: refusal(place) for name, place in places.items()}
        assert lets_in == [name for name, text in refusals.items() if not text]
        assert all("overloaded" in text for text in refusals.values() if text)
        assert 3 - len(lets_in) == registry.metrics.refusals.get("overloaded", 0)
        assert (0, 0) == (registry.taken, registry.uploads)

    registered(scenario)


def test_a_model_without_time_takes_nobody_new() -> None:
    """Uploads wait for it, who resumes was there before, and who would be alone may come."""

    async def scenario(registry: Registry) -> None:
        registry.headroom = measured(0.5)
        places = [registry.upload(), registry.slot(resuming=True), registry.slot()]
        assert ["", "", ""] == [refusal(place) for place in places]
        with registry.slot():
            assert "no time" in refusal(registry.slot())
            assert "" == refusal(registry.slot(resuming=True))
        registry.headroom = measured(0.4)
        with registry.slot():
            assert "" == refusal(registry.slot())

    registered(scenario, limits=LOTS)


def test_who_would_be_refused_is_told_before_anything_is_done() -> None:
    """No place is taken by asking."""

    async def scenario(registry: Registry) -> None:
        registry.check()
        registry.enter(Level.NO_NEW_SESSIONS)
        registry.check(resuming=True)
        with pytest.raises(EarfulError) as refused:
            registry.check()
        assert (ErrorCode.OVERLOADED, 0) == (refused.value.code, registry.taken)

    registered(scenario)


def test_who_was_let_in_to_resume_begins_nothing_new() -> None:
    """Or everybody would say so; on an easy day whoever asks has an ordinary place."""

    async def scenario(registry: Registry) -> None:
        for level, told in ((Level.NORMAL, "started"), (Level.NO_NEW_SESSIONS, "error")):
            registry.enter(level)
            wire = RecordingWire()
            with registry.slot(resuming=True) as session_id:
                connection = registry.connect(session_id, wire)
                connection.message('{"type":"start"}')
                assert told == wire.sent[0]["type"]
                connection.lost("test over")

    registered(scenario)


def test_who_resumes_goes_on_where_nobody_new_is_let_in() -> None:
    """Whatever the level."""

    async def scenario(registry: Registry) -> None:
        first, second = RecordingWire(), RecordingWire()
        with registry.slot() as session_id:
            registry.connect(session_id, first).message('{"type":"start"}')
            (started,) = of_type("started", first.sent)
            registry.enter(Level.HANDING_OVER)
            with registry.slot(resuming=True) as returning:
                start = {"type": "start", "resume": {"cursor": started["cursor"], "attempt": 1}}
                registry.connect(returning, second).message(json.dumps(start))
                assert ["started"] == second.types

    registered(scenario)


def test_the_reserve_is_for_those_who_are_known() -> None:
    """A stranger that says it would resume has an ordinary place, or none."""

    async def scenario(registry: Registry) -> None:
        def come() -> str:
            return refusal(registry.slot(resuming=True, admission=UNDECIDED))

        assert "" == come()
        registry.enter(Level.NO_NEW_SESSIONS)
        assert "" == come()
        with registry.slot(resuming=True), registry.slot(resuming=True):
            assert ERRORS[ErrorCode.SESSION_LIMIT].text == come()
            assert "" == refusal(registry.slot(resuming=True, admission=ACME))
            assert 2 == registry.taken

    registered(scenario)


def test_a_place_that_was_given_for_resuming_stays_that_when_it_is_known_who_has_it() -> None:
    """Or whoever is new would come in by saying so, and who it is only then."""

    async def scenario(registry: Registry) -> None:
        registry.enter(Level.NO_NEW_SESSIONS)
        wire = RecordingWire()
        with registry.slot(resuming=True, admission=UNDECIDED) as slot:
            registry.decide(slot, ACME)
            registry.connect(slot, wire, admission=ACME).message('{"type":"start"}')
            assert ["error"] == wire.types

    registered(scenario, limits=LOTS)


def test_a_tenant_holds_few_places_by_saying_that_it_will_resume() -> None:
    """As many as it may have sessions, whenever it says who it is; whoever has resumed makes room for the next."""

    async def scenario(registry: Registry) -> None:
        wire = RecordingWire()
        with registry.slot(admission=ACME) as first, registry.slot(resuming=True, admission=ACME) as second:
            registry.connect(first, wire, admission=ACME).message('{"type":"start"}')
            assert "wait to resume" in refusal(registry.slot(resuming=True, admission=ACME))
            with (
                registry.slot(resuming=True, admission=UNDECIDED) as stranger,
                pytest.raises(EarfulError, match="wait to resume"),
            ):
                registry.decide(stranger, ACME)
            cursor = of_type("started", wire.sent)[0]["cursor"]
            start = {"type": "start", "resume": {"cursor": cursor, "attempt": 1}}
            registry.connect(second, RecordingWire(), admission=ACME).message(json.dumps(start))
            with registry.slot(resuming=True, admission=UNDECIDED) as late:
                registry.decide(late, ACME)
                assert "wait to resume" in refusal(registry.slot(resuming=True, admission=ACME))
            assert "" == refusal(registry.slot(resuming=True, admission=ACME))
        assert not registry.tenants._waiting

    registered(scenario, limits=LOTS)


def test_new_sessions_begin_no_faster_than_they_may() -> None:
    """A second's worth at once, a share of it under pressure; who resumes is let in, and counts."""

    async def scenario(registry: Registry) -> None:
        was_closed = registry.is_closed
        assert ["", "", ""] == [refusal(registry.slot()) for _ in range(3)]
        assert "Too many sessions begin at once; try again shortly." == refusal(registry.slot())
        assert [False, True] == [was_closed, registry.is_closed]
        assert ["", ""] == [refusal(registry.slot(resuming=True)) for _ in range(2)]

    limits = dataclasses.replace(LOTS, max_new_sessions_per_s=3)
    registered(scenario, limits=limits)


def test_the_level_holds_for_sessions_that_are_there_and_that_come() -> None:
    """Their partials are spaced, and no more when it is over."""

    async def scenario(registry: Registry) -> None:
        old = registry.connect("old", RecordingWire()).session
        registry.enter(Level.FEWER_PARTIALS)
        new = registry.connect("new", RecordingWire()).session
        assert [1000, 1000] == [session._transcript.partials_every_ms for session in (old, new)]
        registry.connections["new"].message('{"type":"start"}')
        assert 1000 == new._transcript.partials_every_ms
        registry.enter(Level.NORMAL)
        assert [0, 0] == [session._transcript.partials_every_ms for session in (old, new)]
        assert {"1": 1, "0": 1} == registry.metrics.overload_levels

    registered(scenario)


def test_a_worker_without_a_place_is_nowhere_to_go() -> None:
    """Not where new ones have none, but where who resumes has none either; then its siblings and the store know."""
    limits = dataclasses.replace(LIMITS, max_sessions=1, resume_reserve=1)

    async def scenario(registry: Registry) -> None:
        with registry.slot():
            assert not registry.is_pressed
            with registry.slot(resuming=True, admission=ACME):
                assert registry.is_pressed

    registered(scenario, limits=limits)


class Watched:
    """In the place of what is shown how much model and loop did: how it was shown that."""

    is_full = False

    def __init__(self) -> None:
        self.looks: list[tuple[float, bool]] = []

    def observe(self, *shown: object, had_uploads: bool) -> None:
        """Keep it."""
        self.looks.append((cast("float", shown[-1]), had_uploads))


def watched(registry: Registry) -> list[tuple[float, bool]]:
    """The looks at the model and the loop: how long after the last, and whether there were uploads since."""
    model = loop = Watched()
    registry.headroom, registry.loop_load = cast("Headroom", model), cast("LoopLoad", loop)
    return model.looks


def test_model_and_loop_are_looked_at_once_a_second() -> None:
    """Of the time before the first look nothing is known."""

    async def scenario(registry: Registry) -> None:
        looks = watched(registry)
        for quarter in (40, 41, 42, 43, 44, 45, 50):
            registry.measure(quarter / 4)
        assert [(since_s, False) for since_s in (0, 0, 1, 1, 1.5, 1.5)] == looks

    registered(scenario)


def test_an_upload_between_two_looks_is_seen_by_the_next() -> None:
    """What the model heard of it is nobody's speech; a look after that is of sessions again."""

    async def scenario(registry: Registry) -> None:
        looks = watched(registry)
        with registry.upload():
            pass
        for now in (1.0, 1.5, 2.0):
            registry.measure(now)
        with registry.upload():
            registry.measure(3.0)
        for now in (4.0, 4.5, 5.0):
            registry.measure(now)
        assert [True, False, True, True, False] == [had for _, had in looks[::2]]
        assert looks[::2] == looks[1::2]

    registered(scenario)
