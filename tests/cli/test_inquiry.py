"""Inquiries: whom they ask about a session, and what they make of the answers, over real sockets."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.answering import answering

from earful.cli.inquiry import TRIES, inquire

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION = "a/b"
PATH = "/v1/sessions/a%2Fb/events"
CREW = "/v1/workers"
UNKNOWN = (404, {"error": {"code": "not_found", "message": "Nothing is known of a session of this id."}})


def told(worker: str, *names: str, elsewhere: dict[str, Any] | None = None) -> dict[str, Any]:
    """A worker's answer, with an event a second."""
    events = [
        {"unix_ms": 1_764_022_991_123 + 1000 * nth, "name": name, "fields": {"reason": "stop"}}
        for nth, name in enumerate(names)
    ]
    return {"session_id": SESSION, "worker": worker, "events": events, "elsewhere": elsewhere, "later": 1}


def crew(worker: str, **ops: str | None) -> dict[str, Any]:
    """How a worker tells of all, by id, with where their operations listeners are."""
    others = [{"id": name, "slot": 0, "sessions": 0, "version": "1", "ops": root} for name, root in ops.items()]
    return {"worker": worker, "workers": others}


def health(scope: str) -> dict[str, Any]:
    """How a worker is."""
    seat = {"id": "one", "slot": 0, "active_sessions": 0, "max_sessions": 1}
    return {"status": "ok", "active_sessions": 0, "scope": scope, "worker": seat, "version": "1"}


def in_turn(*answers: Any) -> Iterator[Any]:
    """What workers that share an address answer, as the system happens to choose."""
    return itertools.cycle(answers)


def test_the_worker_that_has_the_rest_is_asked() -> None:
    """Wherever it is; none is asked twice, however it is written."""
    answers: dict[str, Any] = {}
    with answering(answers) as here, answering({PATH: told("other", "session resumed")}) as there:
        answers[PATH] = told("one", "session connected", elsewhere={"id": "other", "ops": there, "lives": True})
        inquiry = inquire(SESSION, [here, here.removeprefix("http://"), there])
    assert ["one", "other"] == [account.worker for account in inquiry.story.accounts]
    assert ([], [], "") == (list(inquiry.story.missing), list(inquiry.complaints()), inquiry.denial())


def test_the_id_that_a_resuming_connection_was_given_leads_to_its_session() -> None:
    """It is known where that connection arrived; the session is asked for everywhere."""
    answers: dict[str, Any] = {}
    with answering(answers) as here, answering({PATH: told("other", "session started")}) as there:
        elsewhere = {"id": "other", "ops": there, "lives": True}
        answers["/v1/sessions/drawn/events"] = told("one", "session resumed", elsewhere=elsewhere)
        answers[PATH] = told("one", "session resumed", elsewhere=elsewhere)
        inquiry = inquire("drawn", [here])
    assert (SESSION, {"one", "other"}) == (
        inquiry.session_id,
        {account.worker for account in inquiry.story.accounts},
    )


def test_workers_that_point_at_each_other_are_asked_once() -> None:
    """Each knows that the other had it, in turn."""
    answers: dict[str, Any] = {}
    with answering(answers) as url:
        answers[PATH] = told("one", "session connected", elsewhere={"id": "two", "ops": url})
        assert ["one"] == [account.worker for account in inquire(SESSION, [url]).story.accounts]


def test_every_worker_that_can_be_asked_is() -> None:
    """Also one that nobody names: what is not in the store, an upload or a short session, only its worker knows."""
    here_answers: dict[str, Any] = {PATH: UNKNOWN}
    there_answers: dict[str, Any] = {PATH: told("other", "upload started")}
    with answering(here_answers) as here, answering(there_answers) as there:
        for worker, answers in (("one", here_answers), ("other", there_answers)):
            answers[CREW] = crew(worker, one=here, other=there)
        inquiry = inquire(SESSION, [here])
    assert ("Upload", ["other"]) == (inquiry.story.kind, [account.worker for account in inquiry.story.accounts])


@pytest.mark.parametrize("scope", ["service", "worker"])
def test_workers_that_share_an_address_are_asked_till_all_have_told(scope: str) -> None:
    """With a store, where it says who there is, and without one: whoever answers, one of them has it."""
    elsewhere = {"id": "two", "ops": None, "lives": True}
    known = told("two", "session connected", "session ended")
    if scope == "service":
        answers = in_turn(told("one", elsewhere=elsewhere), told("one", elsewhere=elsewhere), known)
        colleagues = crew("one", one=None, two=None)
    else:
        answers = in_turn(UNKNOWN, UNKNOWN, known)
        colleagues = crew("one", one=None)
    with answering({PATH: answers, CREW: colleagues, "/v1/health": health(scope)}) as url:
        inquiry = inquire(SESSION, [url])
    assert inquiry.story.verdict().startswith("Why it ended")
    assert ([], []) == (list(inquiry.story.missing), list(inquiry.complaints()))


@pytest.mark.parametrize(
    ("told_crew", "told_health", "most"),
    [
        (crew("one", one="http://127.0.0.1:1"), health("worker"), 1),
        (crew("one", one=None), health("service"), 1),
        (crew("one", one=None), (500, {}), 1),
        (crew("one", one=None), health("worker"), TRIES),
        (crew("one", one=None, two=None), health("service"), TRIES),
    ],
)
def test_who_answers_alone_is_asked_once(told_crew: dict[str, Any], told_health: object, most: int) -> None:
    """Several that share an address so many times, where one never answers."""
    asked = itertools.count()
    answers = (told("one", elsewhere=None) for _ in asked)
    with answering({PATH: answers, CREW: told_crew, "/v1/health": told_health}) as url:
        inquire(SESSION, [url])
    assert most == next(asked)


def test_a_worker_that_goes_away_meanwhile_is_not_waited_for() -> None:
    """Nothing more is asked where nobody answers."""
    asked = itertools.count()
    answers = (b"{" for _ in asked)
    with answering({PATH: answers, CREW: crew("one", one=None, two=None)}) as url:
        assert 1 == len(list(inquire(SESSION, [url]).complaints()))
    assert 1 == next(asked)


@pytest.mark.parametrize(("ops", "lives"), [(None, False), (None, True), ("http://127.0.0.1:1", True)])
def test_a_worker_that_does_not_tell_is_missing(ops: str | None, lives: bool) -> None:  # noqa: FBT001 - a table's column
    """As it was told of: gone, not to be reached, or silent."""
    with answering({PATH: told("one", elsewhere={"id": "other", "ops": ops, "lives": lives})}) as url:
        story = inquire(SESSION, [url]).story
    assert [("other", ops, lives)] == [(worker.id, worker.ops, worker.lives) for worker in story.missing]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_successor_at_its_address_does_not_stand_for_it(is_known: bool) -> None:  # noqa: FBT001 - a table's column
    """Whether it knows of the session or not: the worker that had it is gone, though the store has not noticed."""
    there_answers: dict[str, Any] = {PATH: UNKNOWN}
    with answering(there_answers) as there:
        named = {"id": "dead", "ops": there, "lives": True}
        there_answers[CREW] = crew("successor", successor=there)
        if is_known:
            there_answers[PATH] = told("successor", elsewhere=named)
        with answering({PATH: told("one", elsewhere=named)}) as here:
            story = inquire(SESSION, [here]).story
    assert [("dead", None, False)] == [(worker.id, worker.ops, worker.lives) for worker in story.missing]


def test_a_worker_that_has_forgotten_is_not_called_gone() -> None:
    """It answers at its address that it knows nothing any more."""
    there_answers: dict[str, Any] = {PATH: UNKNOWN}
    with answering(there_answers) as there:
        there_answers[CREW] = crew("other", other=there)
        with answering({PATH: told("one", elsewhere={"id": "other", "ops": there, "lives": True})}) as here:
            inquiry = inquire(SESSION, [here])
    assert "Nothing is remembered of it any more." == inquiry.story.verdict()


def test_what_cannot_be_asked_is_said() -> None:
    """Nobody there, a store that is away with the worker's own sentence, and a public port; who knows nothing apart."""
    away = {PATH: (503, {"error": {"message": "Nothing is known here, and the store is away."}}), CREW: crew("one")}
    with answering(away) as first, answering({}) as second, answering({PATH: UNKNOWN, CREW: crew("two")}) as third:
        inquiry = inquire(SESSION, [first, second, third, "127.0.0.1:1"])
    assert [
        f"{first}{PATH} answered 503 Service Unavailable: Nothing is known here, and the store is away.",
        f"{second} tells of no session; name an operations listener (ops_port) as --url.",
        f"Nothing answers at http://127.0.0.1:1{PATH}; is the worker running?",
    ] == list(inquiry.complaints())
    assert inquiry.denial().startswith(f"Nothing is known of it at {third}: it never was there")
