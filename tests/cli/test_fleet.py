"""A look at a service, over real sockets: what every release answers, what a later one adds, and who is away."""

from __future__ import annotations

from typing import Any

from tests.support.answering import answering
from tests.support.server import running

from earful.cli.fleet import MOST_ADDRESSES, look

HEALTH = {
    "status": "ok",
    "active_sessions": 3,
    "scope": "service",
    "worker": {"id": "one", "slot": 0, "active_sessions": 3, "max_sessions": 2000},
    "version": "1",
    "store": "ok",
}
METRICS = {
    "requests_per_second": 1.5,
    "error_rate": 0.25,
    "latency_ms": {"p50": 51, "p95": 60, "p99": 300.5},
    "total_requests": 7,
}
SESSION = {
    "session_id": "a",
    "state": "ACTIVE",
    "duration_s": 12.4,
    "encoding": "pcm_s16le",
    "sample_rate": 16000,
    "speech_ms": 9320,
    "lag_ms": 58,
}
WORKERS = {
    "worker": "one",
    "workers": [
        {"id": "one", "slot": 0, "ops": None, "sessions": 2, "version": "1", "began_unix_s": 1764022991.1},
        {"id": "two", "slot": 1, "ops": "http://h:9001", "sessions": 1, "version": "1", "began_unix_s": 1764022991},
    ],
}
ANSWERS: dict[str, Any] = {
    "/v1/health": HEALTH,
    "/v1/metrics": METRICS,
    "/v1/sessions": {"sessions": [SESSION], "next_cursor": "a"},
    "/v1/workers": WORKERS,
}


def test_everything_that_is_answered() -> None:
    """In the order of the addresses, at most so many."""
    with answering(ANSWERS) as url:
        first, second, *more = look([url, "127.0.0.1:1", *[url] * MOST_ADDRESSES])
    assert first.health is not None
    assert first.numbers is not None
    assert ("ok", 300.5) == (first.health.status, first.numbers.latency_ms.p99)
    assert (["one", "two"], ["a"]) == ([one.id for one in first.workers], [one.session_id for one in first.sessions])
    assert (True, "") == (first.has_more, first.why_not)
    assert (None, "Nothing answers at http://127.0.0.1:1/v1/health; is the worker running?") == (
        second.health,
        second.why_not,
    )
    assert MOST_ADDRESSES - 2 == len(more)


def test_a_public_port_says_where_more_is_told() -> None:
    """It has health alone, where there is an operations listener."""
    with answering({"/v1/health": (503, HEALTH | {"status": "draining"})}) as url:
        (seen,) = look([url])
    assert seen.health is not None
    assert ("draining", None) == (seen.health.status, seen.numbers)
    assert f"{url} tells no more here; name its operations listener (ops_port) as --url." == seen.why_not


def test_a_release_that_knows_no_workers() -> None:
    """Is looked at all the same."""
    with answering({path: ANSWERS[path] for path in ANSWERS if path != "/v1/workers"}) as url:
        (seen,) = look([url])
    assert ((), 1, "") == (seen.workers, len(seen.sessions), seen.why_not)


def test_a_real_server() -> None:
    """Answers what is looked for."""
    with running() as server:
        (seen,) = look([server.address.http])
    assert seen.health is not None
    assert ("", "ok", 0, False) == (seen.why_not, seen.health.status, len(seen.sessions), seen.has_more)
