"""Three workers doing anything with three sessions, over memory and a real Redis, beside a model of a few lines."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from tests.store.rig import EXPIRES_S, LEASE_S, MemoryRig, RedisRig, Rig, entry, report

from earful.store.values import Claim, Ended, Entry, Notice, Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.support.redis_server import RedisServer

WORKERS = ("one", "other", "third")
TENANTS = {"a": "acme", "b": "acme", "c": "bolt"}
KEPT_S = EXPIRES_S * 2
"""How long a session stays ended."""

workers = st.sampled_from(WORKERS)
sessions = st.sampled_from(sorted(TENANTS))
attempts = st.integers(0, 4)


@dataclass
class Noted:
    """What must be noted of a session."""

    owner: str
    attempt: int
    until_s: float
    ended: bool = False
    unreported: bool = True


@dataclass
class Desk:
    """What must be known of a worker; `due` are notices that it must hear, `told` all that it may."""

    until_s: float = -1.0
    entries: dict[str, Entry] = field(default_factory=dict)
    due: set[Notice] = field(default_factory=set)
    told: set[Notice] = field(default_factory=set)


class Service(RuleBasedStateMachine):
    """A store, its workers, and what must be true of them."""

    make_rig: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.rig: Rig = type(self).make_rig()
        self.directories = {name: self.rig.directory(name) for name in WORKERS}
        self.now_s = 0.0
        self.notes: dict[str, Noted] = {}
        self.desks = {name: Desk() for name in WORKERS}

    def run(self, step: Coroutine[Any, Any, Any]) -> Any:
        """What a step gives, with all its consequences."""
        answer = self.runner.run(step)
        self.runner.run(self.rig.settle())
        return answer

    def tell(self, worker: str, notice: Notice) -> None:
        """A worker must hear this."""
        self.desks[worker].due.add(notice)
        self.desks[worker].told.add(notice)

    def noted(self, session_id: str) -> Noted | None:
        """What is noted, while its time lasts."""
        note = self.notes.get(session_id)
        return note if note and note.until_s > self.now_s else None

    def take(self, worker: str, session_id: str, attempt: int, *, is_report: bool = False) -> Verdict:
        """The rule of a claim."""
        note = self.noted(session_id)
        if note and note.ended:
            return Verdict.ENDED
        if note and note.attempt >= attempt:
            return Verdict.SUPERSEDED
        if note and note.owner != worker:
            self.tell(note.owner, Notice(session_id, attempt - 1))
        self.notes[session_id] = Noted(worker, attempt, self.now_s + EXPIRES_S, unreported=not is_report)
        return Verdict.GRANTED

    def take_again(self, worker: str, session_id: str, attempt: int) -> Verdict:
        """The rule of noting again."""
        self.pass_by(worker, session_id)
        note = self.noted(session_id)
        if note and not note.ended and (note.owner, note.attempt) == (worker, attempt):
            note.until_s = self.now_s + EXPIRES_S
            return Verdict.GRANTED
        return self.take(worker, session_id, attempt, is_report=True)

    def pass_by(self, worker: str, session_id: str) -> None:
        """The rule of what was reported, or need not be."""
        note = self.noted(session_id)
        if note and note.owner == worker:
            note.unreported = False

    @property
    def live(self) -> dict[str, Desk]:
        """The workers whose lease lasts."""
        return {name: desk for name, desk in self.desks.items() if desk.until_s > self.now_s}

    @rule(worker=workers, session_id=sessions, attempt=attempts)
    def claim(self, worker: str, session_id: str, attempt: int) -> None:
        """A start or a resume."""
        claim = Claim(session_id, TENANTS[session_id], attempt, EXPIRES_S)
        expected = self.take(worker, session_id, attempt)
        assert expected == self.run(self.directories[worker].claim(claim))

    @rule(worker=workers, session_id=sessions, tenant=st.sampled_from([None, "acme", "bolt"]))
    def end(self, worker: str, session_id: str, tenant: str | None) -> None:
        """A DELETE."""
        note = self.noted(session_id)
        expected = None
        if note and tenant in {None, TENANTS[session_id]}:
            owner = self.live.get(note.owner)
            expected = Ended(note.owner, note.unreported or (owner is not None and session_id in owner.entries))
            note.ended = True
            note.until_s = max(note.until_s, self.now_s + KEPT_S)
            self.tell(note.owner, Notice(session_id))
        assert expected == self.run(self.directories[worker].end(session_id, tenant, KEPT_S))

    @rule(worker=workers, session_id=sessions, attempt=attempts)
    def end_own(self, worker: str, session_id: str, attempt: int) -> None:
        """A DELETE of a session that the worker has."""
        note = self.noted(session_id) or Noted(worker, attempt, self.now_s, unreported=False)
        self.notes[session_id] = note
        note.ended = True
        note.until_s = max(note.until_s, self.now_s + KEPT_S)
        self.tell(note.owner, Notice(session_id))
        self.run(self.directories[worker].end_own(Claim(session_id, TENANTS[session_id], attempt, KEPT_S)))

    @rule(
        worker=workers, reported=st.dictionaries(sessions, attempts), ended=st.sets(sessions), passed=st.sets(sessions)
    )
    def exchange(self, worker: str, reported: dict[str, int], ended: set[str], passed: set[str]) -> None:
        """A report, and the news."""
        entries = [entry(name, attempt, tenant=TENANTS[name]) for name, attempt in reported.items()]
        desk, forgot = self.desks[worker], worker not in self.live
        if forgot:
            desk.entries = {}
        desk.until_s = self.now_s + LEASE_S
        desk.entries = {name: known for name, known in desk.entries.items() if name not in ended}
        desk.entries |= {known.session_id: known for known in entries}
        for name, attempt in reported.items():
            verdict = self.take_again(worker, name, attempt)
            if verdict is not Verdict.GRANTED:
                self.tell(worker, Notice(name, None if verdict is Verdict.ENDED else attempt))
        for name in passed:
            self.pass_by(worker, name)
        told = report(*entries, ended=tuple(ended), passed=tuple(passed), **self.counts(worker))
        news = self.run(self.directories[worker].exchange(told))
        assert desk.due <= set(news.notices) <= desk.told
        desk.due = set()
        assert (forgot, len(self.live)) == (news.forgot, news.workers)

    @rule(seconds=st.sampled_from([1.0, LEASE_S + 1, EXPIRES_S + 1]))
    def let_pass(self, seconds: float) -> None:
        """Time; after long a notice that nobody came for may be lost."""
        self.now_s += seconds
        self.rig.let_pass(seconds)
        for desk in self.desks.values():
            desk.due = desk.due if seconds < LEASE_S else set()

    @rule()
    def empty(self) -> None:
        """The store forgets everything."""
        self.rig.empty()
        self.notes = {}
        for desk in self.desks.values():
            desk.until_s, desk.due = -1.0, set()

    @rule(worker=workers, after=st.sampled_from(["", "a", "b"]), limit=st.integers(1, 3))
    def look(self, worker: str, after: str, limit: int) -> None:
        """A page of the list, and one session of it."""
        known: dict[str, int] = {}
        for desk in self.live.values():
            for name, found in desk.entries.items():
                known[name] = max(known.get(name, 0), found.attempt)
        expected = sorted((name, attempt) for name, attempt in known.items() if name > after)[:limit]
        page = self.run(self.directories[worker].page(after, limit, None))
        assert expected == [(listed.entry.session_id, listed.entry.attempt) for listed in page]
        note = self.noted("a")
        owner = self.live.get(note.owner) if note and not note.ended else None
        found = self.run(self.directories[worker].find("a", "acme"))
        assert (owner.entries.get("a") if owner else None) == (found.entry if found else None)

    def counts(self, worker: str) -> dict[str, int]:
        """Of a worker's sessions by tenant."""
        tenants = [known.tenant for known in self.desks[worker].entries.values()]
        return {tenant: tenants.count(tenant) for tenant in set(tenants)}

    def teardown(self) -> None:
        """Close everything."""
        self.runner.run(self.rig.close())
        self.runner.close()


def test_three_workers_in_memory() -> None:
    """Nothing but what the model says."""

    class InMemory(Service):
        make_rig = MemoryRig

    run_state_machine_as_test(InMemory, settings=settings(max_examples=150, stateful_step_count=40))


def test_three_workers_in_redis(redis_server: RedisServer) -> None:
    """Nothing but what the model says."""

    class InRedis(Service):
        @staticmethod
        def make_rig() -> Rig:
            """A rig on the server."""
            return RedisRig(redis_server)

    run_state_machine_as_test(InRedis, settings=settings(max_examples=25, stateful_step_count=40))
