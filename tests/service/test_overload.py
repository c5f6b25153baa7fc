"""What a worker does under pressure: it reads how it stands, sheds in order, sends on, and comes back."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from tests.service.test_headroom import measured
from tests.service.worker import LIMITS, registered, speak
from tests.support.models import scripted, sleeps
from tests.support.speech import OPENING, pieces
from tests.support.wire import RecordingWire

from earful.protocol.seal import Seal
from earful.protocol.states import Input
from earful.service.ladder import LadderRules, Level, doubling, filling
from earful.service.overload import SENT_ON_WITHIN_S, STAY_S, Overload
from earful.telemetry.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.inside import Record

    from earful.service.registry import Registry

MANY = dataclasses.replace(LIMITS, max_sessions=1000)
RULES = LadderRules(doubling(0.5), doubling(0.1), filling(0.8))
EASY = Memory(0, 0)


class Machine:
    """Memory as a test wants it; `looks` counts who asked."""

    def __init__(self) -> None:
        self.memory = EASY
        self.looks = 0

    def look(self) -> Memory:
        """As it stands."""
        self.looks += 1
        return self.memory


def pressed(
    scenario: Callable[[Registry, Machine], Awaitable[None]], *model: Any, has_siblings: bool = False, **options: Any
) -> Record:
    """Run a scenario with a registry that is swept and minds its load; its log."""

    async def main(registry: Registry) -> None:
        machine = Machine()
        registry.siblings_have_room = has_siblings
        overload = Overload(registry, RULES, machine.look)
        registry.sweepers.append(overload.sweep)
        sweeping = asyncio.create_task(registry.sweep_for_ever())
        await scenario(registry, machine)
        sweeping.cancel()
        await asyncio.wait({sweeping})

    return registered(main, *model, limits=MANY, **options)


async def level_after(registry: Registry, seconds: float) -> int:
    """The level then."""
    await asyncio.sleep(seconds)
    return int(registry.level)


def begin(registry: Registry, name: str) -> RecordingWire:
    """A session that can go on elsewhere, in silence."""
    wire = RecordingWire()
    registry.connect(name, wire).message('{"type":"start"}')
    return wire


def test_nothing_is_shed_while_nothing_presses() -> None:
    """And memory, which lies in files, is not looked at in each sweep."""

    async def scenario(registry: Registry, machine: Machine) -> None:
        speak(registry, "a")
        assert 0 == await level_after(registry, 10.1)
        assert 10 <= machine.looks <= 11
        assert registry.is_accepting

    assert [] == pressed(scenario).all_of("overload grew")


def test_answers_that_do_not_come_are_pressure() -> None:
    """Their age counts while they are waited for; each step is one line in the log, with its cause."""

    async def scenario(registry: Registry, _: Machine) -> None:
        speak(registry, "a")
        speak(registry, "b")
        assert 3 == await level_after(registry, 6)
        assert {"1": 1, "2": 1, "3": 1} == registry.metrics.overload_levels
        assert 0 == await level_after(registry, 10)

    log = pressed(scenario, scripted(sleeps(7), sleeps(7)))
    told = [(line["overload_level"], line["sheds"], line["cause"]) for line in log.all_of("overload grew")]
    assert [
        (1, "fewer_partials", "audio_lag"),
        (2, "finals_only", "audio_lag"),
        (3, "no_new_sessions", "audio_lag"),
    ] == told
    assert [2, 1, 0] == [line["overload_level"] for line in log.all_of("overload eased")]


def test_a_full_worker_is_told_to_balancers() -> None:
    """As slowly as a level: who leaves a place and comes back changes nothing."""

    async def scenario(registry: Registry, _: Machine) -> None:
        registry.limits = dataclasses.replace(registry.limits, max_sessions=1)
        seen = []
        with registry.slot():
            seen.append((await level_after(registry, 4), registry.is_accepting))
            seen.append((await level_after(registry, 2), registry.is_accepting))
        seen.append((await level_after(registry, 14), registry.is_accepting))
        seen.append((await level_after(registry, 2), registry.is_accepting))
        assert [(0, True), (0, False), (0, False), (0, True)] == seen

    pressed(scenario)


def test_a_model_without_time_is_told_to_balancers() -> None:
    """As slowly as a level, which stays what it is."""

    async def scenario(registry: Registry, _: Machine) -> None:
        registry.headroom = measured(0.5)
        assert not registry.headroom.has_room(1)
        assert 0 == await level_after(registry, 4)
        assert registry.is_accepting
        assert 0 == await level_after(registry, 2)
        assert not registry.is_accepting

    pressed(scenario)


@pytest.mark.parametrize("others", [20, 1, 0])
def test_one_session_that_hangs_is_no_overload(others: int) -> None:
    """Whether others are answered meanwhile or it is alone, as at night."""

    async def scenario(registry: Registry, _: Machine) -> None:
        speak(registry, "stuck")
        for _second in range(60):
            for _nth in range(others):
                registry.metrics.answered(0.05)
            await asyncio.sleep(0.25)
        assert Level.NORMAL is registry.level

    pressed(scenario, scripted(sleeps(29)))


def test_a_late_loop_and_full_memory_are_pressure() -> None:
    """Each by itself; memory that nobody tells of is not."""

    async def scenario(registry: Registry, machine: Machine) -> None:
        machine.memory = Memory(85, 100)
        assert 3 == await level_after(registry, 10)
        machine.memory = Memory(10, 100)
        assert 0 == await level_after(registry, 10)
        registry.sweepers.insert(0, lambda _: registry.metrics.swept(0.25))
        assert 2 == await level_after(registry, 10)

    log = pressed(scenario)
    assert ["memory"] * 3 + ["loop_lag"] * 2 == [line["cause"] for line in log.all_of("overload grew")]


def test_a_balancer_is_told_later_and_for_longer() -> None:
    """What it steers by does not flap."""

    async def scenario(registry: Registry, machine: Machine) -> None:
        machine.memory = Memory(85, 100)
        assert (3, True) == (await level_after(registry, 5), registry.is_accepting)
        assert (3, False) == (await level_after(registry, 5), registry.is_accepting)
        machine.memory = EASY
        assert (0, False) == (await level_after(registry, 10), registry.is_accepting)
        assert (0, True) == (await level_after(registry, 10), registry.is_accepting)

    pressed(scenario)


@pytest.mark.parametrize("who", ["siblings", "store"])
def test_the_newest_are_sent_on_where_others_can_take_them(who: str) -> None:
    """A few at a time, with a word and 4201; who has just come, and who cannot go on, is left alone."""

    async def scenario(registry: Registry, _: Machine) -> None:
        registry.workers_elsewhere = 1 if who == "store" else 0
        plain = RecordingWire()
        registry.connect("plain", plain)
        wires = []
        for nth in range(40):
            wires.append(begin(registry, f"s{nth}"))
            await asyncio.sleep(0.01)
        await asyncio.sleep(STAY_S)
        late = begin(registry, "late")
        registry.sweepers.insert(0, lambda _: registry.metrics.swept(0.9))
        assert 4 == await level_after(registry, 10)
        gone = [nth for nth, wire in enumerate(wires) if wire.closed == (4201, "handed_over")]
        assert gone == list(range(gone[0], 40))
        assert 3 <= len(gone) <= 6
        assert {"type": "closing", "reason": "overload", "deadline_ms": 5000, "resume": True} == wires[-1].sent[-1]
        assert (None, None) == (plain.closed, late.closed)

    log = pressed(scenario, has_siblings=who == "siblings", seal=Seal((b"one of all",)))
    assert {2, 3} >= {line["sessions"] for line in log.all_of("newest sessions sent on")}


@pytest.mark.parametrize(("pressed_too", "levels"), [(1, [4, 4]), (2, [3, 4])])
def test_nobody_is_sent_on_where_all_are_pressed(pressed_too: int, levels: list[int]) -> None:
    """As the store says, of siblings too; until one of them is not."""

    async def scenario(registry: Registry, _: Machine) -> None:
        registry.workers_elsewhere, registry.pressed_elsewhere = 2, pressed_too
        registry.sweepers.insert(0, lambda _: registry.metrics.swept(0.9))
        seen = [await level_after(registry, 15)]
        registry.pressed_elsewhere = 1
        seen.append(await level_after(registry, 10))
        registry.pressed_elsewhere = 2
        assert [*levels, 3] == [*seen, await level_after(registry, 5)]

    pressed(scenario, has_siblings=True, seal=Seal((b"one of all",)))


@pytest.mark.parametrize(("elsewhere", "level"), [(0, 3), (1, 4)])
def test_siblings_have_no_more_memory(elsewhere: int, level: int) -> None:
    """It is that of one machine: only workers of others can help."""

    async def scenario(registry: Registry, machine: Machine) -> None:
        registry.workers_elsewhere = elsewhere
        machine.memory = Memory(95, 100)
        assert level == await level_after(registry, 15)

    pressed(scenario, has_siblings=True, seal=Seal((b"one of all",)))


def test_memory_that_was_scarce_keeps_nobody_when_it_is_not() -> None:
    """What presses now is what counts."""

    async def scenario(registry: Registry, machine: Machine) -> None:
        machine.memory = Memory(85, 100)
        assert 3 == await level_after(registry, 10)
        registry.sweepers.insert(0, lambda _: registry.metrics.swept(0.9))
        machine.memory = EASY
        assert 4 == await level_after(registry, 10)

    pressed(scenario, has_siblings=True, seal=Seal((b"one of all",)))


def test_who_has_come_from_elsewhere_stays() -> None:
    """Where all are pressed it would go round for ever."""

    async def scenario(registry: Registry, _: Machine) -> None:
        wires = [begin(registry, name) for name in "ab"]
        registry.connections["b"].session.attempt = 1
        await asyncio.sleep(STAY_S)
        registry.sweepers.insert(0, lambda _: registry.metrics.swept(0.9))
        assert 4 == await level_after(registry, 20)
        assert [(4201, "handed_over"), None] == [wire.closed for wire in wires]

    pressed(scenario, has_siblings=True, seal=Seal((b"one of all",)))


def test_nobody_is_sent_on_where_there_is_nobody_to_go_to() -> None:
    """A worker alone, and one whose cursors nobody else can read: no new sessions is as far as it goes."""

    async def scenario(registry: Registry, machine: Machine) -> None:
        wire = begin(registry, "a")
        machine.memory = Memory(95, 100)
        assert (3, None) == (await level_after(registry, 15), wire.closed)
        registry.workers_elsewhere = 1  # But the secret was drawn here.
        assert (3, None) == (await level_after(registry, 15), wire.closed)

    pressed(scenario)


async def sent_on(registry: Registry) -> RecordingWire:
    """One that is owed a final, a moment after the loop was late for so long that it was sent on."""
    wire = begin(registry, "a")
    connection = registry.connections["a"]
    for piece in pieces(OPENING):
        connection.audio(piece)
    connection.message('{"type":"flush","id":"x"}')
    registry.sweepers.insert(0, lambda _: registry.metrics.swept(0.9))
    await asyncio.sleep(STAY_S + 0.5)
    return wire


def test_who_is_sent_on_and_not_answered_goes_in_time() -> None:
    """The model may be what is slow: the utterance that it owes is left to the replay."""

    async def scenario(registry: Registry, _: Machine) -> None:
        wire = await sent_on(registry)
        assert ("closing", None) == (wire.types[-1], wire.closed)
        await asyncio.sleep(SENT_ON_WITHIN_S)
        assert ["started", "closing"] == wire.types
        assert (4201, "handed_over") == wire.closed

    pressed(scenario, scripted(sleeps(29)), has_siblings=True)


@pytest.mark.parametrize(("how", "code"), [(Input.END, 1000), (Input.DRAIN, 1012)])
def test_who_was_sent_on_and_is_taken_back_gets_its_final(how: Input, code: int) -> None:
    """A DELETE, or a drain after which there is nowhere to go: here is the only place for it."""

    async def scenario(registry: Registry, _: Machine) -> None:
        wire = await sent_on(registry)
        assert "closing" == wire.types[-1]
        registry.connections["a"].end(how, within_s=30.0)
        await asyncio.sleep(SENT_ON_WITHIN_S + 1)
        closed_at_first = wire.closed
        await asyncio.sleep(30)
        assert wire.closed is not None
        assert (None, True, code) == (closed_at_first, "final" in wire.types, wire.closed[0])

    pressed(scenario, scripted(sleeps(29)), has_siblings=True)
