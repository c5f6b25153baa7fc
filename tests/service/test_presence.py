"""A worker among the others: what it tells each second, what it heeds, and what it does without the store."""

from __future__ import annotations

import asyncio
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.service.company import Colleague, Store, cursor_of, resume, together
from tests.support.clock import settle
from tests.support.speech import codes

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import Admission, TenantLimits
from earful.service.ladder import Level
from earful.service.presence import EXCHANGE_EVERY_S, GROWTH, LEAST_ENTRIES, MOST_ENTRIES
from earful.store.values import Draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.store.values import Report


def attempts(report: Report) -> dict[str, int]:
    """What a report says of each session."""
    return {entry.session_id: entry.attempt for entry in report.sessions}


def test_a_session_that_went_on_elsewhere_is_let_go() -> None:
    """4010 with the next exchange; the worker that has it now lists it, and nobody else."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("a")
        await settle()
        await one.presence.exchange()
        await other.presence.exchange()
        second = other.begin("fresh", resume(cursor_of(first)))
        await settle()
        assert (None, ["a"]) == (first.closed, other.names)
        await one.presence.exchange()
        assert (["superseded"], (4010, "superseded"), []) == (codes(first.sent), first.closed, one.names)
        await one.presence.exchange()
        await other.presence.exchange()
        assert None is second.closed
        assert ["a"] == [session["session_id"] for session in (await one.roster.page("", 10)).sessions]

    together(scenario)


def test_of_workers_that_claimed_without_the_store_the_larger_attempt_stays() -> None:
    """They report again when it is back."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("a")
        await settle()
        await one.presence.exchange()
        store.is_away = True
        second = other.begin("fresh", resume(cursor_of(first)))
        await settle()
        assert (["started"], 1) == (second.types, other.registry.metrics.claims_undecided)
        store.is_away = False
        for worker in (one, other, one):
            await worker.presence.exchange()
        assert ((4010, "superseded"), None) == (first.closed, second.closed)

    together(scenario)


def test_a_store_that_forgot_is_told_everything_again() -> None:
    """Also where both workers have the session: the larger attempt stays, whoever comes first."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("a")
        bystander = one.begin("b")
        await settle()
        await one.presence.exchange()
        second = other.begin("fresh", resume(cursor_of(first)))
        await settle()
        store.forget()
        for worker in (one, other, one, other):
            await worker.presence.exchange()
        assert [(4010, "superseded"), None, None] == [wire.closed for wire in (first, second, bystander)]
        assert ["a", "b"] == [session["session_id"] for session in (await one.roster.page("", 10)).sessions]

    together(scenario)


def test_a_newer_connection_is_not_closed_by_an_old_word() -> None:
    """The session was there, went to the other, and came back before the word did."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("a")
        await settle()
        await one.presence.exchange()
        other.begin("there", resume(cursor_of(first), 1))
        await settle()
        back = one.begin("back", resume(cursor_of(first), 2))
        await settle()
        await one.presence.exchange()
        assert (None, (4010, "superseded"), ["a"]) == (back.closed, first.closed, one.names)

    together(scenario)


def test_each_change_is_told_once_and_then_in_turn() -> None:
    """What is new first, with its attempt; a slice of the others; what ended."""

    async def scenario(_store: Store, one: Colleague, __: Colleague) -> None:
        wires = {name: one.begin(name) for name in ("a", "b")}
        await settle()
        await one.presence.exchange()
        assert {"a": 0, "b": 0} == attempts(one.door.reports[-1])
        one.begin("fresh", resume(cursor_of(wires["b"]), 7))
        await settle()
        await one.presence.exchange()
        assert (["b", "a"], 7) == (one.last_told, attempts(one.door.reports[-1])["b"])
        one.registry.connections["a"].message('{"type":"stop"}')
        await settle()
        await one.presence.exchange()
        assert (("a",), ["b"], {"": 1}) == (
            one.door.reports[-1].ended,
            one.last_told,
            one.door.reports[-1].tenants,
        )
        await one.presence.exchange()
        assert ((), ["b"]) == (one.door.reports[-1].ended, one.last_told)

    together(scenario)


def told(reports: Sequence[Report]) -> list[str]:
    """Whom these reports name, as often as they do."""
    return [entry.session_id for report in reports for entry in report.sessions]


def test_many_sessions_are_told_in_slices() -> None:
    """No report is larger than is good for it; then each has its turn, the one told longest ago first."""

    async def scenario(_store: Store, one: Colleague, __: Colleague) -> None:
        names = [f"{nth:04}" for nth in range(MOST_ENTRIES + 50)]
        for name in names:
            one.begin(name, None)
        for _ in range(2):
            await one.presence.exchange()
        assert [MOST_ENTRIES, names] == [len(one.door.reports[0].sessions), sorted(set(told(one.door.reports)))]
        slices = one.door.reports[2:]
        for _ in range(len(names) // LEAST_ENTRIES):
            await one.presence.exchange()
        slices = one.door.reports[2:]
        assert max(len(report.sessions) for report in slices) < 2 * LEAST_ENTRIES
        assert set(names) == set(told(slices))

    together(scenario)


@pytest.mark.parametrize(("sessions", "each"), [(1, 1), (20, 1), (30, 1), (31, 2)])
def test_few_sessions_are_told_in_a_round_as_long(sessions: int, each: int) -> None:
    """A thirtieth of them at a time, which is what `earful plan` reckons a store's load by."""

    async def scenario(_store: Store, one: Colleague, __: Colleague) -> None:
        for nth in range(sessions):
            one.begin(f"{nth:04}", None)
        for _ in range(4):
            await one.presence.exchange()
        assert [sessions, each, each, each] == [len(report.sessions) for report in one.door.reports]

    together(scenario)


def test_a_slow_store_is_asked_for_less() -> None:
    """Until it takes it; all sessions have their turn. When it is quick again it is asked for more, by and by."""

    async def scenario(_store: Store, one: Colleague, __: Colleague) -> None:
        one.door.takes = 100
        names = [f"{nth:03}" for nth in range(MOST_ENTRIES)]
        for name in names:
            one.begin(name, None)
        for _ in range(12):
            await one.presence.exchange()
        assert set(names) == set(told(one.door.reports))
        one.door.takes = LEAST_ENTRIES
        for name in names:
            one.registry.connections[name].lost("connection_lost")
            one.begin(f"new {name}", None)
        for _ in range(5):
            await one.presence.exchange()
        assert LEAST_ENTRIES == len(one.last_told)
        one.door.takes = sys.maxsize
        sizes = []
        for _ in range(5):
            await one.presence.exchange()
            sizes.append(len(one.last_told))
        assert {GROWTH} == {after - before for before, after in pairwise(sizes)}

    together(scenario)


def test_what_did_not_arrive_is_told_again() -> None:
    """Beginnings and ends alike."""

    async def scenario(store: Store, one: Colleague, _: Colleague) -> None:
        one.begin("a", None)
        await one.presence.exchange()
        store.is_away = True
        one.registry.connections["a"].lost("connection_lost")
        one.begin("b", None)
        await one.presence.exchange()
        store.is_away = False
        await one.presence.exchange()
        assert (("a",), ["b"]) == (one.door.reports[-1].ended, one.last_told)

    together(scenario)


def test_who_may_be_about_to_resume_is_not_told_yet() -> None:
    """Its slot's name is no session's; it counts all the same."""

    async def scenario(_store: Store, one: Colleague, __: Colleague) -> None:
        with one.registry.slot(resuming=True) as slot:
            one.begin(slot, None)
            await one.presence.exchange()
            assert ([], {"": 1}) == (one.last_told, one.door.reports[-1].tenants)

    together(scenario)


def test_a_session_that_was_reported_before_its_start_begins() -> None:
    """Its own report is no rival of its claim."""

    async def scenario(_store: Store, one: Colleague, __: Colleague) -> None:
        wire = one.begin("a", None)
        await one.presence.exchange()
        one.registry.connections["a"].message('{"type":"start"}')
        await settle()
        assert ["started"] == wire.types

    together(scenario)


def test_the_going_and_coming_of_the_store_is_logged_once_each() -> None:
    """And shown to Prometheus; the others' sessions do not count meanwhile."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        other.begin("a", None)
        await other.presence.exchange()
        seen = []
        for is_away in (False, True, True, False, False):
            store.is_away = is_away
            await one.presence.exchange()
            own = one.registry
            seen.append((own.sessions_elsewhere, own.workers_elsewhere, own.metrics.store_is_up))
        assert [(1, 1, True), (0, 0, False), (0, 0, False), (1, 1, True), (1, 1, True)] == seen
        events = [(line["event"], line.get("error")) for line in one.log.events]
        away = ("store is away; limits and listings are this worker's own", "ConnectionError")
        assert [away, ("store is back", None)] == events
        assert 3 == one.registry.metrics.exchange.snapshot().count

    together(scenario)


def test_a_worker_hears_how_many_of_the_others_are_pressed() -> None:
    """Those that let nobody new in: by their level, or since they drain. Nobody, where the store is away."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        seen = []
        for level, draining in ((Level.FINALS_ONLY, False), (Level.NO_NEW_SESSIONS, False), (Level.NORMAL, True)):
            other.registry.level, other.registry.draining = level, draining
            await other.presence.exchange()
            await one.presence.exchange()
            seen.append(one.registry.pressed_elsewhere)
        one.registry.level = Level.HANDING_OVER
        await one.presence.exchange()
        seen.append(one.registry.pressed_elsewhere)
        store.is_away = True
        await one.presence.exchange()
        assert [0, 1, 1, 1, 0] == [*seen, one.registry.pressed_elsewhere]

    together(scenario)


def test_a_worker_that_starts_without_its_store_goes_on_alone() -> None:
    """One task, one exchange a second, until it is cancelled."""

    async def scenario(store: Store, one: Colleague, _: Colleague) -> None:
        store.is_away = True
        task = asyncio.create_task(one.presence.exchange_for_ever())
        await asyncio.sleep(2.5 * EXCHANGE_EVERY_S)
        wire = one.begin("a")
        await settle()
        assert (["started"], []) == (wire.types, one.door.reports)
        store.is_away = False
        await asyncio.sleep(3 * EXCHANGE_EVERY_S)
        task.cancel()
        await asyncio.wait({task})
        assert (3, {"a"}) == (len(one.door.reports), set(told(one.door.reports)))

    together(scenario)


def test_a_bug_costs_one_exchange() -> None:
    """Or the opening. It is logged, and the next second is as ever."""

    async def scenario(_store: Store, one: Colleague, _: Colleague) -> None:
        one.door.faults += [ZeroDivisionError(), LookupError()]
        task = asyncio.create_task(one.presence.exchange_for_ever())
        await asyncio.sleep(1.5 * EXCHANGE_EVERY_S)
        task.cancel()
        await asyncio.wait({task})
        logged = [(line["event"], line["error"]) for line in one.log.events]
        assert [("opening failed", "LookupError"), ("exchange failed", "ZeroDivisionError")] == logged
        assert 1 == len(one.door.reports)

    together(scenario)


def test_all_workers_together_have_a_limit() -> None:
    """`session_limit`; who resumes is let in; without the store each has it for itself."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        for name in "ab":
            other.begin(name, None)
        for worker in (other, one):
            await worker.presence.exchange()
        with one.registry.slot():
            with pytest.raises(EarfulError) as refused, one.registry.slot():
                raise AssertionError
            assert ErrorCode.SESSION_LIMIT is refused.value.code
            with one.registry.slot(resuming=True) as slot:
                newcomer = one.begin(slot)
                assert (1013, "overloaded") == newcomer.closed
            store.is_away = True
            await one.presence.exchange()
            with one.registry.slot(), one.registry.slot(), pytest.raises(EarfulError), one.registry.slot():
                raise AssertionError

    together(scenario, max_sessions_total=3)


def test_a_tenants_sessions_at_the_others_count() -> None:
    """Also at a worker where it has none, once it has come there; without the store each keeps to its share."""
    three = Admission("acme", TenantLimits(max_sessions=3))

    def may_begin(colleague: Colleague) -> bool:
        try:
            colleague.registry.tenants.check(three)
        except EarfulError:
            return False
        return True

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        for name in "abc":
            one.begin(name, None, tenant="acme")
        assert may_begin(other)
        for colleague in (one, other, one):
            await colleague.presence.exchange()
        assert [False, False] == [may_begin(one), may_begin(other)]
        assert {"acme": 0} == other.door.reports[-1].tenants
        store.is_away = True
        await other.presence.exchange()
        assert may_begin(other)
        other.begin("d", None, tenant="acme")
        other.begin("e", None, tenant="acme")
        assert not may_begin(other)

    together(scenario)


THREE_A_SECOND = Admission("acme", TenantLimits(max_new_sessions_per_s=3.0))


def begins(colleague: Colleague) -> bool:
    """Whether a session of it may begin there; it does."""
    try:
        colleague.registry.tenants.check(THREE_A_SECOND)
    except EarfulError as refused:
        return refused.code is not ErrorCode.TENANT_LIMIT
    return True


def test_a_tenants_rate_is_one_at_all_workers() -> None:
    """All of it at any; the others know at once, one session late, and that one is made good."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        tasks = [asyncio.create_task(worker.presence.exchange_for_ever()) for worker in (one, other)]
        await settle()
        assert [True, True, True, False] == [begins(one) for _ in range(4)]
        await settle()
        assert [Draw("acme", 3.0, 3)] == one.door.draws
        assert begins(other)
        await settle()
        assert [False, False] == [begins(other), begins(one)]
        await asyncio.sleep(0.7)
        assert begins(other)
        await settle()
        assert [False, True] == [begins(other), begins(one)]
        await settle()
        await asyncio.sleep(30)
        assert [True, True, True, False] == [begins(other) for _ in range(4)]
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert (4, 5) == (sum(draw.number for draw in one.door.draws), sum(draw.number for draw in other.door.draws))

    together(scenario)


def test_without_the_store_a_tenants_rate_is_shared_evenly() -> None:
    """From the first draw or exchange that fails; what began meanwhile is not told when it is back."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        for worker in (one, other, one):
            await worker.presence.exchange()
        store.is_away = True
        assert begins(one)
        await one.presence.draw()
        assert [True, False] == [begins(one) for _ in range(2)]
        await one.presence.draw()
        await other.presence.exchange()
        assert [True, False] == [begins(other) for _ in range(2)]
        await asyncio.sleep(2 / 3)
        assert [True, False] == [begins(one) for _ in range(2)]
        store.is_away = False
        await one.presence.exchange()
        await one.presence.draw()
        assert ([], False) == (one.door.draws, begins(one))
        await asyncio.sleep(1)
        assert [True, True, True, False] == [begins(one) for _ in range(4)]
        await one.presence.draw()
        assert [Draw("acme", 3.0, 3)] == one.door.draws

    together(scenario)


def test_exchanges_wait_for_one_draw_at_most() -> None:
    """Where draws are slow and something begins all the time."""
    fast = Admission("acme", TenantLimits(max_new_sessions_per_s=1000.0))

    async def scenario(_store: Store, one: Colleague, _: Colleague) -> None:
        one.door.draw_takes_s = 0.2
        task = asyncio.create_task(one.presence.exchange_for_ever())
        await settle()
        for _attempt in range(1000):
            one.registry.tenants.check(fast)
            await asyncio.sleep(EXCHANGE_EVERY_S / 100)
        task.cancel()
        await asyncio.wait({task})
        assert 10 / 1.2 <= len(one.door.reports) <= 11
        assert 950 <= sum(draw.number for draw in one.door.draws) <= 1000

    together(scenario)


def test_a_bug_costs_one_draw() -> None:
    """It is logged; exchanges go on, and so do draws, however many there are."""

    async def scenario(_store: Store, one: Colleague, _: Colleague) -> None:
        task = asyncio.create_task(one.presence.exchange_for_ever())
        await settle()
        one.door.faults.append(ZeroDivisionError())
        for _attempt in range(50):
            begins(one)
            await asyncio.sleep(EXCHANGE_EVERY_S / 10)
        task.cancel()
        await asyncio.wait({task})
        assert [("draw failed", "ZeroDivisionError")] == [(line["event"], line["error"]) for line in one.log.events]
        assert 5 <= len(one.door.reports) <= 6
        assert 3 + 3 * 4.9 - 1 == pytest.approx(sum(draw.number for draw in one.door.draws), abs=1)

    together(scenario)
