"""What any worker tells of all: sessions in pages, one session, numbers; and what it tells while the store is away."""

from __future__ import annotations

import pytest
from tests.service.company import Colleague, Store, cursor_of, resume, together
from tests.support.clock import settle

from earful.errors import EarfulError, ErrorCode
from earful.store.values import Entry, Report


def test_sessions_of_all_workers_are_listed_in_pages() -> None:
    """In the order of their ids, each once; this worker's own also when they began a moment ago."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        for worker, names in ((one, "cae"), (other, "db")):
            for name in names:
                worker.begin(name, None)
        await other.presence.exchange()
        seen: list[str] = []
        pages = [await one.roster.page("", 2)]
        while (cursor := pages[-1].next_cursor) is not None:
            pages.append(await one.roster.page(cursor, 2))
        seen = [session["session_id"] for page in pages for session in page.sessions]
        assert (list("abcde"), 3, {False}) == (seen, len(pages), {page.is_partial for page in pages})

    together(scenario)


def test_what_ended_here_a_moment_ago_is_not_listed() -> None:
    """The store has not heard of it yet; pages go on behind it."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        for worker, names in ((one, "abce"), (other, "df")):
            for name in names:
                worker.begin(name, None)
            await worker.presence.exchange()
        for name in "abc":
            one.registry.connections[name].lost("peer_closed")
        with pytest.raises(EarfulError):
            await one.roster.find("a")
        first = await one.roster.page("", 2)
        second = await one.roster.page(str(first.next_cursor), 2)
        third = await one.roster.page(str(second.next_cursor), 2)
        pages = [[session["session_id"] for session in page.sessions] for page in (first, second, third)]
        assert ([[], ["d", "e"], ["f"]], None) == (pages, third.next_cursor)

    together(scenario)


def test_one_session_is_shown_and_ended_by_any_worker() -> None:
    """Its owner ends it with its next exchange, with 1000; then it is nowhere."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        wire = one.begin("a", None)
        await one.presence.exchange()
        assert await other.roster.find("a") == await one.roster.find("a")
        await other.roster.end("a")
        assert ["a"] == one.names
        await one.presence.exchange()
        assert (1000, "deleted") == wire.closed
        await one.presence.exchange()
        for worker in (one, other):
            with pytest.raises(EarfulError) as unknown:
                await worker.roster.find("a")
            assert ErrorCode.NOT_FOUND is unknown.value.code
        with pytest.raises(EarfulError) as unknown:
            await other.roster.end("nobody")
        assert ErrorCode.NOT_FOUND is unknown.value.code

    together(scenario)


def test_the_models_time_is_told_to_the_millisecond() -> None:
    """By its own worker and by the others."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        one.begin("a", None)
        one.registry.connections["a"].session.numbers.model_s = 2 / 3
        await one.presence.exchange()
        assert [0.667, 0.667] == [(await worker.roster.find("a"))["model_s"] for worker in (one, other)]

    together(scenario)


def test_a_session_that_has_ended_is_not_deleted_again() -> None:
    """At no worker, though its note lives on; but who deletes it need not fear that it is resumed."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        wires = [one.begin(name) for name in "ab"]
        await settle()
        await one.presence.exchange()
        for name, wire, asked in (("a", wires[0], one), ("b", wires[1], other)):
            one.registry.connections[name].lost("peer_closed")
            if asked is other:  # It tells what the store was told last.
                await one.presence.exchange()
            assert None is not store.noted(name)
            for _ in range(2):
                with pytest.raises(EarfulError) as ended:
                    await asked.roster.end(name)
                assert ErrorCode.NOT_FOUND is ended.value.code
            late = other.begin("late", resume(cursor_of(wire)))
            await settle()
            assert (4004, "resume_failed") == late.closed

    together(scenario)


def test_a_session_is_deleted_from_its_first_moment_on() -> None:
    """By any worker, before its own has reported it; and not any more when it is gone, reported or not."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        for name in "ab":
            one.begin(name)
        await settle()
        await other.roster.end("a")
        one.registry.connections["b"].lost("peer_closed")
        await one.presence.exchange()
        assert [] == one.names
        await one.presence.exchange()  # It tells what came of the notice.
        for name in "ab":
            with pytest.raises(EarfulError) as gone:
                await other.roster.end(name)
            assert ErrorCode.NOT_FOUND is gone.value.code
            await one.presence.exchange()

    together(scenario)


def test_a_deleted_session_is_deleted_once() -> None:
    """The word comes back to who said it, and makes no new one."""

    async def scenario(_store: Store, one: Colleague, __: Colleague) -> None:
        one.begin("a", None)
        await one.presence.exchange()
        await one.roster.end("a")
        for _ in range(3):
            await one.presence.exchange()
        assert ["a"] == one.door.ends

    together(scenario)


def test_without_the_store_a_worker_answers_for_itself() -> None:
    """The list says that it is partial; what it cannot know it does not deny."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        for worker, name in ((one, "a"), (other, "b")):
            worker.begin(name, None)
            await worker.presence.exchange()
        await one.presence.exchange()
        assert ("ok", 2) == (one.roster.store, one.roster.active_sessions)
        store.is_away = True
        await one.presence.exchange()
        assert ("away", 1) == (one.roster.store, one.roster.active_sessions)
        page = await one.roster.page("", 10)
        assert (["a"], True) == ([session["session_id"] for session in page.sessions], page.is_partial)
        assert "a" == (await one.roster.find("a"))["session_id"]
        for ask in (one.roster.find, one.roster.end):
            with pytest.raises(EarfulError) as unknowable:
                await ask("b")
            assert ErrorCode.OVERLOADED is unknowable.value.code
        assert 1 == (await one.roster.summary())["active_connections"]

    together(scenario)


def test_numbers_of_all_workers_are_one_summary() -> None:
    """Percentiles are those of all durations together; what another release wrote is left out."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        for worker, seconds in ((one, 0.055), (other, 0.195)):
            worker.begin("a" + worker.door.worker, None)
            for _ in range(50):
                worker.registry.metrics.answered(seconds)
        await other.presence.exchange()
        summary = await one.roster.summary()
        assert (2, 2) == (summary["total_requests"], summary["active_connections"])
        assert summary["latency_ms"]["p50"] <= 60
        assert 150 < summary["latency_ms"]["p95"] <= 200
        await other.door.exchange(Report(numbers={"total_requests": 1.0}, histograms=b"of another kind"))
        assert 1 == (await one.roster.summary())["total_requests"]

    together(scenario)


def test_a_report_that_cannot_be_read_is_passed_over() -> None:
    """As another release may write it."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        await other.door.exchange(Report(sessions=(Entry("a", "", 0, 0.0, b"of another kind"),)))
        assert [] == (await one.roster.page("", 10)).sessions
        with pytest.raises(EarfulError):
            await one.roster.find("a")

    together(scenario)


def test_a_foreign_session_is_as_one_that_never_was() -> None:
    """Here and at the other worker, with the store and without it; in no list, and `end` does not end it."""

    async def told(colleague: Colleague, session_id: str, tenant: str | None) -> list[object]:
        said: list[object] = []
        for ask in (colleague.roster.find, colleague.roster.end):
            try:
                said.append(await ask(session_id, tenant))
            except EarfulError as refused:
                said.append((refused.code, refused.text))
        return said

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        wire = one.begin("a", tenant="acme")
        await one.presence.exchange()
        for is_away in (False, True):
            store.is_away = is_away
            for colleague in (one, other):
                assert await told(colleague, "never-was", "globex") == await told(colleague, "a", "globex")
                assert [] == (await colleague.roster.page("", 9, "globex")).sessions
        store.is_away = False
        for colleague in (one, other):
            for tenant in ("acme", None):
                assert ["a"] == [one["session_id"] for one in (await colleague.roster.page("", 9, tenant)).sessions]
                assert "acme" == (await colleague.roster.find("a", tenant))["tenant"]
        assert None is wire.closed
        await other.roster.end("a", "acme")
        await one.presence.exchange()
        assert (1000, "deleted") == wire.closed

    together(scenario)
