"""Two workers behind HAProxy, nginx and Caddy, with the files of `deploy/`: spread, told apart, drained and killed."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.session.ear import told
from tests.support.caddy import caddy
from tests.support.choir import Singer, all_under_way, newcomers, voice
from tests.support.haproxy import haproxy
from tests.support.house import STUCK
from tests.support.nginx import nginx
from tests.support.raw import Gone, RawSocket, connected
from tests.support.server import Address, Running, await_true, running
from tests.support.sounds import wav
from tests.support.speech import OPENING, SENTENCE, expected, finals, pieces
from websockets.asyncio.client import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Balancer = Callable[[Address, Address], AbstractContextManager[Address]]

pytestmark = pytest.mark.e2e
each = pytest.mark.parametrize("balancer", [haproxy, nginx, caddy])

HIDDEN = (
    ("GET", "/metrics"),
    ("GET", "/v1/workers"),
    ("PUT", "/v1/log-level"),
    ("POST", "/v1/drain"),
    ("GET", "/%6detrics"),
    ("GET", "/v1%2fworkers"),
    ("GET", "/v1/%77orkers"),
)
"""A worker's own, that a balancer lets nobody have."""
SETTINGS: dict[str, Any] = {"mock_latency_ms": 5, "max_speed": 0, "drain_s": 4}
SECRET = {"EARFUL_SECRET": "of both"}
SINGERS = 40


@contextmanager
def service(balancer: Balancer, *, first_exit: int = 0, **own: Any) -> Iterator[tuple[Address, Running, Running]]:
    """Two workers that share a secret, with settings of their `own` or the usual, and where they are reached."""
    settings = own or SETTINGS
    with (
        running(env=SECRET, exit_code=first_exit, **settings) as first,
        running(env=SECRET, **settings) as second,
        balancer(first.address, second.address) as front,
    ):
        yield front, first, second


def sessions_of(worker: Running) -> int:
    """How many a worker has."""
    return int(worker.address.get("/v1/health")["active_sessions"])


@each
def test_sessions_are_spread(balancer: Balancer) -> None:
    """Whoever has fewest gets the next."""
    with service(balancer) as (front, first, second):
        clients = [RawSocket(front).upgrade() for _ in range(10)]
        assert {101} == {raw.response.status for raw in clients}
        assert [5, 5] == [sessions_of(first), sessions_of(second)]
        for raw in clients:
            raw.say("stop")
            assert 1000 == raw.hear_all()[1].code
            raw.close()


@each
def test_a_plain_client_is_served(balancer: Balancer) -> None:
    """It needs to know nothing of what stands between; an upload neither."""
    with service(balancer) as (front, _, _), connected(front) as raw:
        for piece in pieces(SENTENCE):
            raw.say_audio(piece)
        raw.say("stop")
        heard, end = raw.hear_all()
        upload = front.request("POST", "/v1/transcribe", wav(SENTENCE))
        hidden = {path: front.request(method, path).status for method, path in HIDDEN}
    assert (1000, expected(SENTENCE)) == (end.code, finals(heard))
    assert (200, finals(heard)[0][1]) == (upload.status, upload.tree["text"])
    assert {404} == set(hidden.values())


@each
def test_an_upload_whose_client_has_gone_ends(balancer: Balancer) -> None:
    """The worker hears of it through what stands between, also before its model has answered."""
    body = wav(SENTENCE)
    head = b"POST /v1/transcribe HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with service(balancer, model=STUCK) as (front, *workers):
        with front.connect() as client:
            client.sendall(head + body)
            await_true(lambda: 1 == sum(worker.address.get("/v1/metrics")["total_requests"] for worker in workers))
        await_true(lambda: [True] == [line["left"] for worker in workers for line in uploads_ended(worker)])


def uploads_ended(worker: Running) -> list[dict[str, Any]]:
    """What it tells of their ends."""
    return [line for line in worker.log.events if line["event"] == "upload ended"]


@each
def test_the_worker_knows_who_the_client_is(balancer: Balancer) -> None:
    """Its address, also where it claims to speak for somebody else."""

    async def visit(url: str) -> None:
        claim = {"x-forwarded-for": "203.0.113.9"}
        async with connect(url, local_addr=("127.0.0.2", 0), additional_headers=claim, proxy=None) as socket:
            await socket.send('{"type":"stop"}')
            await socket.wait_closed()

    with service(balancer) as (front, first, second):
        asyncio.run(visit(front.ws))
    ended = [line for worker in (first, second) for line in worker.log.events if line["event"] == "session ended"]
    assert ["127.0.0.2"] == [line["peer"] for line in ended]


@pytest.mark.parametrize(
    ("balancer", "number"),
    [
        (haproxy, signal.SIGTERM),
        (haproxy, signal.SIGKILL),
        (nginx, signal.SIGTERM),
        (nginx, signal.SIGKILL),
        (caddy, signal.SIGKILL),  # For as long as it has not seen a drain it passes refusals on.
    ],
)
def test_a_worker_that_goes_costs_nobody_anything(balancer: Balancer, number: signal.Signals) -> None:
    """Every session's finals are those of an undisturbed run, and no upgrade was refused meanwhile."""
    with service(balancer, first_exit=0 if number == signal.SIGTERM else -number) as (front, first, _):
        voices = [voice(nth) for nth in range(SINGERS)]
        singers = asyncio.run(perform(front.ws, voices, first, number))
    # On a machine that is busy a singer may lose patience with the other worker, too.
    assert SINGERS // 2 <= sum(singer.connections > 1 for singer in singers) < SINGERS
    for singer, pcm in zip(singers, voices, strict=True):
        sung = expected(pcm)
        assert sung == told(singer.speaker.finals)[: len(sung)]


async def perform(url: str, voices: list[bytes], worker: Running, number: signal.Signals) -> list[Singer]:
    """All sing; in the middle the worker gets this signal. Others come all the while."""
    singers = [Singer(url, pcm) for pcm in voices]
    over = asyncio.Event()
    async with asyncio.timeout(50), asyncio.TaskGroup() as tasks:
        singing = [tasks.create_task(singer.run()) for singer in singers]
        await all_under_way(singers)
        for _ in range(4):
            tasks.create_task(newcomers(url, over, at_least=50))
        worker.signal(number)
        await asyncio.to_thread(worker.process.wait)
        await asyncio.gather(*(singer.finish() for singer in singers))
        await asyncio.wait(singing)
        over.set()
    return singers


@each
def test_a_drain_cuts_no_plain_session(balancer: Balancer) -> None:
    """The balancer sends nobody new, and leaves who is there to the worker, which gives them what they are owed."""
    with service(balancer) as (front, first, _):
        clients = [RawSocket(front).upgrade() for _ in range(4)]
        for raw in clients:
            for piece in pieces(OPENING):
                raw.say_audio(piece)
            raw.hear_until("partial")
        first.signal()
        assert 0 == first.exit_code()
        assert [2, 2] == [sum(gone) for gone in zip(*(told_to_go(raw) for raw in clients), strict=True)]


def told_to_go(raw: RawSocket) -> tuple[bool, bool]:
    """Whether it was drained with its final, and whether it goes on to its end as if nothing had been."""
    raw.say("stop")
    heard, end = raw.hear_all()
    raw.close()
    assert finals(heard)
    return end.code == 1012, end.code == 1000


def test_haproxy_ends_the_sessions_of_a_worker_that_is_frozen() -> None:
    """Its clients need no deadline of their own, and those who connect to it are served elsewhere."""
    with service(haproxy) as (front, first, second):
        waiting = RawSocket(front).upgrade()
        frozen = first if sessions_of(first) else second
        other = RawSocket(front).upgrade()
        frozen.signal(signal.SIGSTOP)
        with pytest.raises(Gone):
            waiting.read_frame()
        late = [RawSocket(front).upgrade() for _ in range(2)]
        frozen.signal(signal.SIGCONT)
        for raw in (other, *late):
            raw.say("stop")
            assert 1000 == raw.hear_all()[1].code
        for raw in (waiting, other, *late):
            raw.close()
