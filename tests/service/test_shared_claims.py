"""Claims where workers share a directory: its word where it has one, this worker's own where it has not."""

from __future__ import annotations

import asyncio

import pytest
from tests.service.company import Colleague, Store, cursor_of, resume, together
from tests.support.clock import settle

from earful.errors import EarfulError
from earful.service import shared_claims
from earful.session.claim import Claim, Verdict
from earful.store.directory import StoreUnavailableError


def test_an_attempt_that_is_not_larger_is_refused_anywhere() -> None:
    """And changes nothing where the session is."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("a")
        await settle()
        second = one.begin("b", resume(cursor_of(first), 5))
        await settle()
        late = other.begin("c", resume(cursor_of(first), 5))
        await settle()
        assert [(4010, "superseded"), None, (4010, "superseded")] == [wire.closed for wire in (first, second, late)]
        assert ({"granted": 2}, {"superseded": 1}) == (one.registry.metrics.claims, other.registry.metrics.claims)

    together(scenario)


def test_what_this_worker_knows_takes_no_question() -> None:
    """A claim that is lost here is lost at once."""

    async def scenario(store: Store, one: Colleague, _: Colleague) -> None:
        first = one.begin("a")
        await settle()
        store.is_away = True
        again = one.begin("b", resume(cursor_of(first), 1))
        await settle()
        stale = one.begin("c", resume(cursor_of(first), 1))
        assert [None, (4010, "superseded")] == [wire.closed for wire in (again, stale)]

    together(scenario)


def test_a_session_that_was_ended_elsewhere_is_not_resumed() -> None:
    """4004 at any worker, which remembers it when the store is gone."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("a")
        await settle()
        await one.roster.end("a")
        assert ((1000, "deleted"), ["a"]) == (first.closed, one.door.ends)
        refused = [other.begin("b", resume(cursor_of(first)))]
        await settle()
        store.is_away = True
        refused.append(other.begin("c", resume(cursor_of(first))))
        assert {(4004, "resume_failed")} == {wire.closed for wire in refused}

    together(scenario)


def test_a_deletion_waits_for_the_store() -> None:
    """It is told with the next exchange that arrives, and once."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("a")
        await settle()
        store.is_away = True
        await one.roster.end("a")
        await one.presence.exchange()
        assert ((1000, "deleted"), []) == (first.closed, one.door.ends)
        store.is_away = False
        for _ in range(2):
            await one.presence.exchange()
        assert ["a"] == one.door.ends
        late = other.begin("b", resume(cursor_of(first)))
        await settle()
        assert (4004, "resume_failed") == late.closed

    together(scenario)


def test_a_deletion_that_the_store_knew_nothing_of_holds() -> None:
    """It was emptied, or away when the session began: 4004 at any worker."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        first = one.begin("emptied")
        await settle()
        store.forget()
        await one.roster.end("emptied")
        store.is_away = True
        second = one.begin("away")
        await settle()
        await one.roster.end("away")
        store.is_away = False
        await one.presence.exchange()
        late = [other.begin(f"b{nth}", resume(cursor_of(wire))) for nth, wire in enumerate((first, second))]
        await settle()
        assert [(4004, "resume_failed")] * 2 == [wire.closed for wire in late]

    together(scenario)


def test_a_session_that_was_deleted_while_it_went_elsewhere_ends_there() -> None:
    """The store was away: the other worker hears of it when it is back, whoever tells first."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        for name, order in (("a", (one, other, other)), ("b", (other, one, other))):
            first = one.begin(name)
            await settle()
            store.is_away = True
            await one.roster.end(name)
            second = other.begin("fresh", resume(cursor_of(first)))
            await settle()
            assert (["started"], None) == (second.types, second.closed)
            store.is_away = False
            for worker in order:
                await worker.presence.exchange()
            assert (1000, "deleted") == second.closed

    together(scenario)


def test_what_nobody_knows_is_not_noted() -> None:
    """Whatever ids are asked for over REST."""

    async def scenario(store: Store, one: Colleague, _: Colleague) -> None:
        with pytest.raises(EarfulError):
            await one.roster.end("nobody's")
        assert None is store.noted("nobody's")

    together(scenario)


def test_deletions_that_wait_are_bounded() -> None:
    """Beyond that they are this worker's own knowledge."""

    async def scenario(store: Store, one: Colleague, _: Colleague) -> None:
        store.is_away = True
        most = shared_claims.MOST_UNTOLD
        for nth in range(most + 1):
            one.claims.delete(Claim(str(nth), "", 0, 100.0))
        assert most == len(one.claims._untold)
        assert Verdict.DELETED is one.claims.claim(Claim(str(most), "", 1, 100.0))

    together(scenario)


def test_each_deletion_is_told_once_however_many_come_together() -> None:
    """Not by each of them those of all others."""

    async def scenario(_: Store, one: Colleague, __: Colleague) -> None:
        names = [str(nth) for nth in range(9)]
        for name in names:
            one.begin(name)
        await settle()
        await asyncio.gather(*(one.roster.end(name) for name in names))
        assert names == sorted(one.door.ends)

    together(scenario)


def test_what_was_deleted_while_the_store_was_away_is_told_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another, all at once would keep the worker from renewing its lease."""
    monkeypatch.setattr(shared_claims, "MOST_TOLD", 2)

    async def scenario(store: Store, one: Colleague, _: Colleague) -> None:
        store.is_away = True
        for name in "abc":
            one.claims.delete(Claim(name, "", 0, 100.0))
        with pytest.raises(StoreUnavailableError):
            await one.claims.tell_some()
        store.is_away = False
        await one.claims.tell_some()
        assert ["b", "c"] == one.door.ends
        await one.claims.tell_some()
        assert ["b", "c", "a"] == one.door.ends

    together(scenario)


def test_a_worker_that_ends_tells_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else could; without the store it does not wait for it."""
    monkeypatch.setattr(shared_claims, "MOST_TOLD", 2)

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        for worker in (one, other):
            await worker.presence.exchange()
            store.is_away = True
            for nth in range(7):
                worker.claims.delete(Claim(str(nth), "", 0, 100.0))
            store.is_away = worker is other
            await worker.presence.close()
        assert ([str(nth) for nth in range(7)], []) == (one.door.ends, other.door.ends)

    together(scenario)
