"""Resuming at one worker: whose session it is, who is let in for it, and what a slow directory costs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.service.worker import registered
from tests.support.clock import settle, virtual_now
from tests.support.speech import codes, of_type
from tests.support.wire import RecordingWire

from earful.errors import EarfulError, ErrorCode
from earful.service.claims import LocalClaims
from earful.service.registry import CLAIM_WITHIN_S, Registry
from earful.session.claim import Claim, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

START = '{"type":"start"}'
STOP = '{"type":"stop"}'


def resume(cursor: str, attempt: int = 1) -> str:
    """A `start` that asks for it."""
    return json.dumps({"type": "start", "resume": {"cursor": cursor, "attempt": attempt}})


def begin(registry: Registry, session_id: str, text: str = START) -> RecordingWire:
    """A connection whose client says this first."""
    wire = RecordingWire()
    registry.connect(session_id, wire).message(text)
    return wire


def cursor_of(wire: RecordingWire) -> str:
    """What `started` brought."""
    return str(of_type("started", wire.sent)[0]["cursor"])


class SlowClaims(LocalClaims):
    """A directory on the other side of a network; `answers` holds its verdicts back until a test lets them go."""

    def __init__(self) -> None:
        super().__init__(virtual_now)
        self.asked: list[Claim] = []
        self.answers: list[asyncio.Future[Verdict]] = []

    def claim(self, claim: Claim) -> Awaitable[Verdict]:  # type: ignore[override]  # later instead of at once
        """Note it, and let it wait."""
        self.asked.append(claim)
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def slowly(scenario: Callable[[Registry, SlowClaims], Awaitable[None]]) -> Any:
    """Run a scenario with a directory that takes its time; the log."""

    async def with_claims(registry: Registry) -> None:
        claims = SlowClaims()
        registry._claims = claims
        await scenario(registry, claims)

    return registered(with_claims)


def test_a_session_goes_on_under_its_own_id() -> None:
    """In the list, in the log, for the routes; it is one more resumption and no new request."""

    async def scenario(registry: Registry) -> None:
        first = begin(registry, "a")
        registry.connections["a"].lost("connection_lost")
        second = begin(registry, "fresh", resume(cursor_of(first)))
        assert ["a"] == list(registry.connections)
        assert ("a", 1) == (second.sent[0]["session_id"], registry.connections["a"].session.attempt)
        assert (2, 1, 1, 1) == (
            registry.metrics.sessions_started,
            registry.metrics.sessions_resumed,
            registry.metrics.total_requests,
            registry.metrics.active_sessions,
        )
        registry.connections["a"].message(STOP)
        assert {} == registry.connections

    log = registered(scenario)
    assert [("a", "connection_lost"), ("a", "stop")] == [
        (line["session"], line["reason"]) for line in log.all_of("session ended")
    ]
    assert [("a", 1)] == [(line["session"], line["attempt"]) for line in log.all_of("session resumed")]


def test_the_larger_attempt_closes_the_older_connection() -> None:
    """`superseded`, 4010, no fault of anybody's; one that is not larger is refused alike, and changes nothing."""

    async def scenario(registry: Registry) -> None:
        first = begin(registry, "a")
        second = begin(registry, "b", resume(cursor_of(first), 5))
        assert (["superseded"], (4010, "superseded")) == (codes(first.sent), first.closed)
        for attempt in (5, 4, 1):
            late = begin(registry, f"late {attempt}", resume(cursor_of(first), attempt))
            assert (["superseded"], (4010, "superseded")) == (codes(late.sent), late.closed)
        assert (None, ["a"]) == (second.closed, list(registry.connections))
        third = begin(registry, "c", resume(cursor_of(second), 6))
        assert ((4010, "superseded"), None) == (second.closed, third.closed)
        assert 0 == registry.metrics.failed

    registered(scenario)


def test_a_deleted_session_is_gone_for_good() -> None:
    """4004."""

    async def scenario(registry: Registry) -> None:
        first = begin(registry, "a")
        registry.delete(registry.connections["a"])
        assert (1000, "deleted") == first.closed
        again = begin(registry, "b", resume(cursor_of(first)))
        assert (["resume_failed"], (4004, "resume_failed")) == (codes(again.sent), again.closed)

    registered(scenario)


def test_sessions_of_other_workers_go_on_here() -> None:
    """Nobody has to know them; what is not signed by a secret of ours is refused."""
    cursors: list[str] = []

    async def elsewhere(registry: Registry) -> None:
        cursors.append(cursor_of(begin(registry, "a")))

    async def here(registry: Registry) -> None:
        assert None is begin(registry, "b", resume(cursors[0])).closed
        assert (4004, "resume_failed") == begin(registry, "c", resume(cursors[1])).closed
        assert ["a"] == list(registry.connections)

    from earful.protocol.seal import Seal

    shared = Seal((b"shared",))
    registered(elsewhere, seal=shared)
    registered(elsewhere)
    registered(here, seal=shared)


def test_a_full_worker_has_places_for_who_resumes() -> None:
    """On top, and for nobody else; when they too are taken it is full."""

    async def scenario(registry: Registry) -> None:
        with registry.slot() as a, registry.slot(resuming=True) as b, registry.slot(resuming=True) as c:
            for resuming in (False, True):
                with pytest.raises(EarfulError) as refused, registry.slot(resuming=resuming):
                    raise AssertionError
                assert ErrorCode.SESSION_LIMIT is refused.value.code
            first = begin(registry, a)
            assert ["started"] == begin(registry, b).types
            newcomer = begin(registry, c)
            assert (["overloaded"], (1013, "overloaded")) == (codes(newcomer.sent), newcomer.closed)
        with registry.slot(), registry.slot(), registry.slot(resuming=True) as d:
            assert ["started"] == begin(registry, d, resume(cursor_of(first))).types
        assert (0, {}) == (registry.taken, registry._returning)

    registered(scenario)


def test_nothing_is_read_while_a_directory_is_asked() -> None:
    """With its verdict the session begins, and reading goes on; no task is left of it."""

    async def scenario(registry: Registry, claims: SlowClaims) -> None:
        wire = begin(registry, "a")
        await settle()
        assert ([], ["pause"], [0]) == (wire.sent, wire.calls, [claim.attempt for claim in claims.asked])
        claims.answers[0].set_result(Verdict.GRANTED)
        await settle()
        assert (["started"], ["pause", "resume"], set()) == (wire.types, wire.calls, registry._claiming)
        registry.connections["a"].message(STOP)
        assert (1000, "stop") == wire.closed

    slowly(scenario)


def test_a_verdict_against_it_is_told_too() -> None:
    """The older connection stays."""

    async def scenario(registry: Registry, claims: SlowClaims) -> None:
        first = begin(registry, "a")
        claims.answers[0].set_result(Verdict.GRANTED)
        await settle()
        second, third = (begin(registry, name, resume(cursor_of(first), 3)) for name in "bc")
        claims.answers[2].set_result(Verdict.GRANTED)
        await settle()
        claims.answers[1].set_result(Verdict.SUPERSEDED)
        await settle()
        assert [(4010, "superseded"), (4010, "superseded"), None] == [one.closed for one in (first, second, third)]
        assert ["a"] == list(registry.connections)

    slowly(scenario)


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_late_verdict_takes_no_session_from_a_larger_attempt(is_answered: bool) -> None:  # noqa: FBT001 - parameter
    """Nor does one that never comes: a worker knows its own connections."""

    async def scenario(registry: Registry, claims: SlowClaims) -> None:
        first = begin(registry, "a")
        claims.answers[0].set_result(Verdict.GRANTED)
        await settle()
        late, newest = (
            begin(registry, "b", resume(cursor_of(first), 5)),
            begin(registry, "c", resume(cursor_of(first), 6)),
        )
        claims.answers[2].set_result(Verdict.GRANTED)
        await settle()
        if is_answered:
            claims.answers[1].set_result(Verdict.GRANTED)
        await asyncio.sleep(CLAIM_WITHIN_S + 0.01)
        assert [(4010, "superseded"), (4010, "superseded"), None] == [one.closed for one in (first, late, newest)]
        assert (1, ["a"]) == (registry.metrics.sessions_resumed, list(registry.connections))

    slowly(scenario)


def test_a_directory_that_does_not_answer_is_not_waited_for() -> None:
    """The cursor alone decides then."""

    async def scenario(registry: Registry, claims: SlowClaims) -> None:
        wire = begin(registry, "a")
        await asyncio.sleep(CLAIM_WITHIN_S + 0.01)
        assert (["started"], True) == (wire.types, claims.answers[0].cancelled())

    assert ["a"] == [line["session"] for line in slowly(scenario).all_of("claim was not decided in time")]


def test_a_connection_that_is_lost_meanwhile_begins_nothing() -> None:
    """And the session it asked for stays where it is."""

    async def scenario(registry: Registry, claims: SlowClaims) -> None:
        first = begin(registry, "a")
        claims.answers[0].set_result(Verdict.GRANTED)
        await settle()
        begin(registry, "b", resume(cursor_of(first)))
        registry.connections["b"].lost("peer_closed")
        claims.answers[1].set_result(Verdict.GRANTED)
        await settle()
        assert (None, ["a"], set()) == (first.closed, list(registry.connections), registry._claiming)

    slowly(scenario)


def test_a_directory_that_fails_costs_its_session_alone() -> None:
    """`internal`, told to the log."""

    async def scenario(registry: Registry, claims: SlowClaims) -> None:
        wires = [begin(registry, name) for name in "ab"]
        claims.answers[0].set_exception(ZeroDivisionError())
        claims.answers[1].set_result(Verdict.GRANTED)
        await settle()
        assert [(1011, "internal"), None] == [wire.closed for wire in wires]

    assert ["ZeroDivisionError"] == [line["error"] for line in slowly(scenario).all_of("session failed")]


def test_a_registry_that_closes_waits_for_no_verdict() -> None:
    """Whoever asked is gone."""

    async def scenario(registry: Registry, claims: SlowClaims) -> None:
        begin(registry, "a")
        await settle()
        await registry.close()
        assert (True, set()) == (claims.answers[0].cancelled(), registry._claiming)

    slowly(scenario)


def test_a_registry_that_closes_forgets_who_has_not_asked_yet() -> None:
    """A claim that was never begun is let go of without a warning."""

    class Never(LocalClaims):
        async def claim(self, claim: Claim) -> Verdict:  # type: ignore[override]  # later instead of at once
            raise AssertionError(claim)

    async def scenario(registry: Registry) -> None:
        registry._claims = Never(virtual_now)
        begin(registry, "a")
        await registry.close()
        assert set() == registry._claiming

    registered(scenario)
