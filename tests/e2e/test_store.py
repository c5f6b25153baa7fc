"""Two `earful serve` with one Redis: each answers for both, also after Redis stopped, forgot everything, came back."""

from __future__ import annotations

import itertools
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.access.keys import ACME, GLOBEX, key_file
from tests.session.ear import told
from tests.support.raw import RawSocket, connected
from tests.support.redis_server import HOST, RedisServer, free_port, running_redis
from tests.support.resuming import connect, hear, send
from tests.support.server import STORE_AWAY, Running, await_true, running
from tests.support.speech import OPENING, SPEECH, expected, pieces

from earful.client.core import Speaker
from earful.protocol.messages import Start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Address

pytestmark = pytest.mark.e2e

BACK = "store is back"
RATE_PER_S = 4.0


@contextmanager
def two_workers(**settings: Any) -> Iterator[tuple[RedisServer, Running, Running]]:
    """An empty Redis and two servers that share it and a secret."""
    wanted = {"mock_latency_ms": 5, "max_speed": 0, "secret": "shared", **settings}
    with (
        running_redis() as redis,
        running(store=redis.url, **wanted) as one,
        running(store=redis.url, **wanted) as other,
    ):
        await_true(lambda: redis.ask("ZCARD", "earful:{workers}:leases") == 2)
        yield redis, one, other


def ids(address: Address) -> list[str]:
    """The sessions that a worker lists."""
    return [session["session_id"] for session in address.get("/v1/sessions")["sessions"]]


def health(*servers: Running) -> list[tuple[str, str, int]]:
    """Status, store and all sessions, as each worker sees them."""
    answers = [server.address.get("/v1/health") for server in servers]
    return [(answer["status"], answer["store"], answer["active_sessions"]) for answer in answers]


def opened(address: Address) -> RawSocket:
    """A plain session in the middle of a sentence."""
    raw = RawSocket(address).upgrade()
    for piece in pieces(OPENING):
        raw.say_audio(piece)
    raw.hear_until("partial")
    return raw


def test_any_worker_lists_shows_and_ends_any_session() -> None:
    """Within about a second; the owner answers what it owes and closes with 1000."""
    with two_workers() as (_, one, other):
        raws = [opened(one.address), opened(other.address)]
        names = sorted(raw.response.headers["x-session-id"] for raw in raws)
        await_true(lambda: ids(one.address) == names == ids(other.address))
        await_true(lambda: health(one, other) == [("ok", "ok", 2)] * 2)
        owned = raws[0].response.headers["x-session-id"]
        assert owned == other.address.get(f"/v1/sessions/{owned}")["session_id"]
        assert 2 == other.address.get("/v1/metrics")["active_connections"]
        assert 202 == other.address.request("DELETE", f"/v1/sessions/{owned}").status
        heard, gone = raws[0].hear_all()
        assert (1000, ["ended"]) == (gone.code, [m["reason"] for m in heard if m["type"] == "final"])
        await_true(lambda: ids(other.address) == [raws[1].response.headers["x-session-id"]])
        for raw in raws:
            raw.close()


def test_a_session_that_resumes_elsewhere_is_closed_where_it_was() -> None:
    """4010 within about a second, also where the store was emptied in between; the finals are those of one run."""
    with two_workers() as (redis, one, other):
        speaker = Speaker(Start())
        first = connect(speaker, one.address)
        for piece in pieces(SPEECH[:320_000]):
            speaker.speak(piece)
        send(speaker, first)
        while not speaker.finals:
            assert None is hear(speaker, first, 1)
        redis.ask("FLUSHALL")
        speaker.lost()
        for piece in pieces(SPEECH[320_000:]):
            speaker.speak(piece)
        speaker.stop()
        second = connect(speaker, other.address)
        assert None is hear(speaker, second, 1)
        assert 4010 == first.hear_all()[1].code
        assert 1000 == getattr(hear(speaker, second, 10_000), "code", None)
        for raw in (first, second):
            raw.close()
    assert expected(SPEECH) == told(speaker.finals)[: len(expected(SPEECH))]


def test_without_its_store_each_worker_goes_on_alone() -> None:
    """`degraded` with 200 while Redis is gone, `ok` when it is back, empty; then all is as before."""
    with two_workers() as (redis, one, other):
        raw = opened(one.address)
        name = raw.response.headers["x-session-id"]
        await_true(lambda: ids(other.address) == [name])
        redis.kill()
        await_true(lambda: health(one, other) == [("degraded", "away", 1), ("degraded", "away", 0)])
        assert 200 == one.address.request("GET", "/v1/health").status
        assert [True, True] == [server.address.get("/v1/sessions")["partial"] for server in (one, other)]
        assert ([name], []) == (ids(one.address), ids(other.address))
        with connected(other.address) as newcomer:
            newcomer.say("start")
            assert "started" == newcomer.hear()["type"]
            redis.start()
            await_true(lambda: health(one, other) == [("ok", "ok", 2)] * 2)
            assert 2 == len(ids(one.address))
        assert 202 == other.address.request("DELETE", f"/v1/sessions/{name}").status
        assert 1000 == raw.hear_all()[1].code
        raw.close()
    for server in (one, other):
        told = [line["event"] for line in server.log.events if line["event"] in {STORE_AWAY, BACK}]
        assert [STORE_AWAY, BACK] == told[-2:]


def test_a_worker_starts_and_ends_without_its_cluster() -> None:
    """Sessions start, the list is this worker's, health is `degraded`, and the end is as clean as any."""
    hosts = ",".join(f"{HOST}:{free_port()}" for _ in range(3))
    with running(store=f"redis+cluster://{hosts}", mock_latency_ms=5) as server:
        for _ in range(3):
            with connected(server.address) as raw:
                raw.say("start")
                assert "started" == raw.hear()["type"]
                page = server.address.get("/v1/sessions")
                assert ([raw.response.headers["x-session-id"]], True) == (
                    [session["session_id"] for session in page["sessions"]],
                    page["partial"],
                )
        await_true(lambda: health(server) == [("degraded", "away", 0)])
    (told,) = [line["error"] for line in server.log.events if line["event"] == STORE_AWAY]
    assert told in {"RedisClusterException", "TimeoutError"}  # The latter where this machine took longer to say so.


def test_workers_of_one_supervisor_share_a_store() -> None:
    """Each answers for all, and nothing is said of numbers of one's own."""
    with running_redis() as redis, running(workers=2, store=redis.url) as server:
        raws = [opened(server.address) for _ in range(8)]  # All with one worker: once in a hundred runs.
        await_true(lambda: {("ok", "ok", 8)} == {health(server)[0] for _ in range(8)})
        assert {"service"} == {server.address.get("/v1/health")["scope"] for _ in range(8)}
        assert {8} == {len(ids(server.address)) for _ in range(8)}
        for raw in raws:
            raw.say("stop")
            raw.hear_all()
            raw.close()
    assert "without a shared store" not in server.log.text


def test_all_workers_together_have_a_limit() -> None:
    """503, also at a worker that holds nobody."""
    with two_workers(max_sessions_total=1) as (_, one, other):
        raw = opened(one.address)
        await_true(lambda: health(other) == [("ok", "ok", 1)])
        refused = RawSocket(other.address).upgrade()
        assert (503, True) == (refused.response.status, b"session_limit" in refused.response.body)
        refused.close()
        raw.close()


def test_a_worker_that_was_stopped_lets_go_when_it_wakes() -> None:
    """Another has gone on meanwhile: 4010, and nobody hears anything twice."""
    with two_workers() as (_, one, other):
        speaker = Speaker(Start())
        first = connect(speaker, one.address)
        assert None is hear(speaker, first, 1)
        one.signal(signal.SIGSTOP)
        speaker.lost()
        for piece in pieces(SPEECH):
            speaker.speak(piece)
        speaker.stop()
        second = connect(speaker, other.address)
        assert None is hear(speaker, second, 1)
        one.signal(signal.SIGCONT)
        assert 4010 == first.hear_all()[1].code
        assert 1000 == getattr(hear(speaker, second, 10_000), "code", None)
        for raw in (first, second):
            raw.close()
    assert expected(SPEECH) == told(speaker.finals)[: len(expected(SPEECH))]


@contextmanager
def two_workers_with_keys(folder: Path) -> Iterator[tuple[RedisServer, Running, Running]]:
    """As `two_workers`; acme's key lets four sessions begin in a second."""
    file = key_file(folder, acme=f"max_new_sessions_per_s={RATE_PER_S}")
    with two_workers(auth="static", auth_options={"file": str(file)}) as workers:
        yield workers


def begins(server: Running) -> bool:
    """Whether a session of acme may begin there; where it may not, it is told when to come again."""
    raw = RawSocket(server.address).upgrade(X_Api_Key=ACME)
    raw.close()
    if raw.response.status == 101:
        return True
    assert (429, True) == (raw.response.status, b'"tenant_limit"' in raw.response.body)
    assert 1 <= int(raw.response.headers["retry-after"])
    return False


def seconds_for(number: int, *servers: Running) -> float:
    """How long it takes at least until so many sessions have begun, where each server is tried in turn."""
    began_at, left = time.monotonic(), itertools.count(number - 1, -1)
    await_true(lambda: any(begins(server) and next(left) <= 0 for server in servers), 40)
    return time.monotonic() - began_at


def test_a_tenants_rate_is_one_however_it_is_spread(tmp_path: Path) -> None:
    """All of it at one worker; what the other lets in comes off it, but for the first, which is made good."""
    with two_workers_with_keys(tmp_path) as (redis, one, other):
        assert [True] * 4 == [begins(one) for _ in range(4)]
        await_true(lambda: redis.ask("EXISTS", "earful:{tenant:acme}:bucket") == 1)
        assert (12 - 4 - 1) / RATE_PER_S <= seconds_for(12, one, one, one, one, other)
        assert (12 - 4 - 1) / RATE_PER_S <= seconds_for(12, one, other)


def test_without_its_store_a_tenants_rate_is_shared(tmp_path: Path) -> None:
    """Half of it at each of two workers, refused in the same words; then all of it at any."""
    with two_workers_with_keys(tmp_path) as (redis, one, other):
        with connected(one.address, X_Api_Key=GLOBEX), connected(other.address, X_Api_Key=GLOBEX):
            await_true(lambda: health(one, other) == [("ok", "ok", 2)] * 2)  # Each has heard of the other.
        redis.kill()
        await_true(lambda: {answer[1] for answer in health(one, other)} == {"away"})
        assert (8 - 2) / (RATE_PER_S / 2) <= seconds_for(8, one)
        assert (8 - 2) / (RATE_PER_S / 2) <= seconds_for(8, other)
        redis.start()
        await_true(lambda: {answer[1] for answer in health(one, other)} == {"ok"})
        assert seconds_for(1, one) >= 0
        await_true(lambda: redis.ask("EXISTS", "earful:{tenant:acme}:bucket") == 1)
