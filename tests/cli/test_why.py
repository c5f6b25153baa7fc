"""`earful why`: whom it asks, and what it prints, over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.answering import answering

from earful.cli.why import gather, why

if TYPE_CHECKING:
    import pytest

SESSION = "a/b"
PATH = "/v1/sessions/a%2Fb/events"


def told(worker: str, *names: str, elsewhere: dict[str, Any] | None = None) -> dict[str, Any]:
    """A worker's answer, with an event a second."""
    events = [
        {"unix_ms": 1_764_022_991_123 + 1000 * nth, "name": name, "fields": {"reason": "stop"}}
        for nth, name in enumerate(names)
    ]
    return {"session_id": SESSION, "worker": worker, "events": events, "elsewhere": elsewhere, "later": 1}


def test_a_story_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The session, its events, an empty line, the reason."""
    with answering({PATH: told("one", "session connected", "session ended")}) as url:
        assert 0 == why(SESSION, [url])
    lines = capsys.readouterr().out.splitlines()
    assert "Session a/b, times in UTC" == lines[0]
    assert lines[2].endswith("+0.000 s  A client connected.")
    assert lines[3].endswith("+1.000 s  The session ended: stop.")
    assert ["Why it ended: It ended for the reason stop.", "What to do: Nothing needs doing."] == lines[5:]


def test_the_worker_that_has_the_rest_is_asked() -> None:
    """Wherever it is; none is asked twice."""
    answers: dict[str, Any] = {}
    with answering(answers) as here, answering({PATH: told("other", "session resumed")}) as there:
        answers[PATH] = told("one", "session connected", elsewhere={"id": "other", "ops": there})
        story, complaints = gather(SESSION, [here, here, there])
        assert ["one", "other"] == [account.worker for account in story.accounts]
        assert ([], []) == (list(story.missing), complaints)


def test_workers_that_point_at_each_other_are_asked_once() -> None:
    """Each knows that the other had it, in turn."""
    answers: dict[str, Any] = {}
    with answering(answers) as url:
        answers[PATH] = told("one", "session connected", elsewhere={"id": "two", "ops": url})
        story, _ = gather(SESSION, [url])
    assert ["one"] == [account.worker for account in story.accounts]


def test_a_worker_that_is_gone_is_missing() -> None:
    """Whether it has no address any more, or does not answer there."""
    for ops in (None, "http://127.0.0.1:1"):
        with answering({PATH: told("one", elsewhere={"id": "other", "ops": ops})}) as url:
            story, _ = gather(SESSION, [url])
        assert [("other", ops)] == [(worker.id, worker.ops) for worker in story.missing]


def test_a_successor_at_its_address_does_not_stand_for_it() -> None:
    """Whether it knows of the session or not: the worker that had it is gone."""
    for known in (True, False):
        there_answers: dict[str, Any] = {}
        with answering(there_answers) as there:
            named = {"id": "dead", "ops": there}
            if known:
                there_answers[PATH] = told("successor", elsewhere=named)
            with answering({PATH: told("one", elsewhere=named)}) as here:
                story, _ = gather(SESSION, [here])
        assert [("dead", None)] == [(worker.id, worker.ops) for worker in story.missing]


def test_nobody_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Why that may be; 1."""
    with answering({}) as url:
        assert 1 == why(SESSION, [url, "127.0.0.1:1"])
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(
        f"earful: Nothing is known of it at {url}: it never was there, it ended more than 15 minutes"
    )
    assert f"earful: Nothing answers at http://127.0.0.1:1{PATH}; is the worker running?" == second
