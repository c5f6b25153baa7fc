"""The counters are what clients saw, to the unit: over faults of clients, a graceful end of a worker and its successor.

Every client here hears all that it is told before it goes, so that what was given to sockets is what arrived.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.raw import BINARY, TEXT, Gone, RawSocket
from tests.support.redis_server import running_redis
from tests.support.server import await_true, running
from tests.support.speech import BYTES_PER_MS, OPENING, SENTENCE, SPEECH, pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.server import Address, Running

pytestmark = pytest.mark.e2e

SETTINGS: dict[str, Any] = {
    "mock_latency_ms": 2,
    "mock_words_per_chunk": 40,
    "max_speed": 0,
    "secret": "shared",
    "send_buffer_bytes": 4096,
}
SLOW_BUFFER_BYTES = 4096
ROUNDS = 3


@dataclass
class Seen:
    """What all clients together did and saw."""

    requests: int = 0
    resumed: int = 0
    chunks: int = 0
    audio_ms: int = 0
    told: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)

    def say(self, raw: RawSocket, pcm: bytes) -> None:
        """Send audio; what is not heard by its number is not said with this."""
        for piece in pieces(pcm):
            raw.say_audio(piece)
            self.chunks += 1
        self.audio_ms += len(pcm) // BYTES_PER_MS

    def hear(self, raw: RawSocket, kind: str) -> dict[str, Any]:
        """Take in messages until one of this kind; that one."""
        while True:
            message = raw.hear()
            self.note(message["type"], message.get("code", ""))
            if message["type"] == kind:
                return message

    def hear_all(self, raw: RawSocket) -> None:
        """Take in everything to the close."""
        try:
            while True:
                message = raw.hear()
                self.note(message["type"], message.get("code", ""))
        except Gone as gone:
            self.closes[gone.code] += 1
        raw.close()

    def note(self, kind: str, code: str) -> None:
        """One message came."""
        self.told[kind] += 1
        if kind == "error":
            self.errors[code] += 1


def begun(seen: Seen, address: Address, *, receive_buffer_bytes: int = 0) -> RawSocket:
    """A new session."""
    seen.requests += 1
    return RawSocket(address, receive_buffer_bytes=receive_buffer_bytes).upgrade()


def speaks(seen: Seen, here: Address, _: Address) -> None:
    """Says a sentence and stops."""
    raw = begun(seen, here)
    seen.say(raw, SENTENCE)
    raw.say("stop")
    seen.hear_all(raw)


def babbles(seen: Seen, here: Address, __: Address) -> None:
    """Says what is none of a client's business, until it is closed."""
    raw = begun(seen, here)
    raw.send(TEXT, b"{")
    raw.say("dance")
    raw.say("audio_chunk", data="no base64!")
    for _ in range(10):
        raw.say("audio_chunk", data=7)
    seen.hear_all(raw)


def breaks(seen: Seen, here: Address, _: Address) -> None:
    """Sends a binary frame without `start`."""
    raw = begun(seen, here)
    raw.send(BINARY, OPENING)
    seen.hear_all(raw)


def drops(seen: Seen, here: Address, _: Address) -> None:
    """Goes without a word, when all it said is answered."""
    raw = begun(seen, here)
    raw.say("start")
    seen.say(raw, OPENING)
    raw.say("flush", id="x")
    seen.hear(raw, "flushed")
    raw.reset()


def is_deleted(seen: Seen, here: Address, there: Address) -> None:
    """Is ended by the other worker."""
    raw = begun(seen, here)
    seen.say(raw, OPENING)
    seen.hear(raw, "partial")
    name = raw.response.headers["x-session-id"]
    answers: list[int] = []

    def is_done() -> bool:
        """Or was by a try to which the store's answer came too late: that one was told that it is not known."""
        answers.append(there.request("DELETE", f"/v1/sessions/{name}").status)
        return answers[-1] == 202 or (answers[-1] == 404 and 503 in answers)

    await_true(is_done)
    seen.hear_all(raw)


def dawdles(seen: Seen, here: Address, _: Address) -> None:
    """Reads nothing until the end, and then all of it: what was replaced meanwhile it never sees."""
    raw = begun(seen, here, receive_buffer_bytes=SLOW_BUFFER_BYTES)
    before = counted(here)["partials_dropped"]
    seen.say(raw, SPEECH)
    await_true(lambda: counted(here)["partials_dropped"] > before)
    raw.say("stop")
    seen.hear_all(raw)


def goes_on(seen: Seen, here: Address, there: Address) -> None:
    """Drops, resumes at the other worker where its cursor says, and stops."""
    raw = begun(seen, here)
    raw.say("start")
    seen.say(raw, OPENING)
    raw.say("flush", id="x")
    cursor = seen.hear(raw, "final")["cursor"]
    seen.hear(raw, "flushed")
    raw.reset()
    resumes(seen, there, cursor)


def resumes(seen: Seen, there: Address, cursor: str) -> None:
    """Goes on with a session whose mark lies between two chunks, to its end."""
    seen.resumed += 1
    raw = RawSocket(there).upgrade("/v1/transcribe/stream?resume=1")
    raw.say("start", resume={"cursor": cursor, "attempt": 1})
    seen.hear(raw, "started")
    seen.say(raw, OPENING)
    raw.say("stop")
    seen.hear_all(raw)


FATES: tuple[Callable[[Seen, Address, Address], None], ...] = (
    speaks,
    babbles,
    breaks,
    drops,
    is_deleted,
    dawdles,
    goes_on,
)


def live_through(seen: Seen, one: Address, other: Address) -> None:
    """Every fate some times, in any order, at either worker."""
    fates = [*FATES] * ROUNDS
    random.shuffle(fates)
    for nth, fate in enumerate(fates):
        fate(seen, *((one, other) if nth % 2 else (other, one)))


def leave(seen: Seen, leaving: Running, there: Address) -> dict[str, int]:
    """End a worker under two sessions, of which one can go on; what it counted stands in its last line."""
    plain, hopeful = begun(seen, leaving.address), begun(seen, leaving.address)
    seen.say(plain, OPENING)
    seen.hear(plain, "partial")
    hopeful.say("start")
    cursor = seen.hear(hopeful, "started")["cursor"]
    leaving.signal(signal.SIGTERM)
    seen.hear_all(plain)
    seen.hear_all(hopeful)
    resumes(seen, there, cursor)
    assert 0 == leaving.exit_code()
    (stopped,) = [line for line in leaving.log.events if line["event"] == "stopped"]
    return {name: value for name, value in stopped.items() if isinstance(value, int)}


def counted(worker: Address) -> dict[str, int]:
    """A scrape, in the names of a worker's last line."""
    families = text_string_to_metric_families(worker.request("GET", "/metrics").body.decode())
    found: Counter[str] = Counter()
    for family in families:
        for sample in family.samples:
            outcome = sample.labels.get("outcome", "")
            found[f"{sample.name}{outcome}"] += round(
                sample.value * 1000 if "_seconds_" in sample.name else sample.value
            )
    return {
        "requests": found["earful_requests_total"],
        "sessions": found["earful_sessions_started_total"],
        "resumed": found["earful_resumes_totalresumed"],
        "errors": found["earful_errors_total"],
        "chunks": found["earful_chunks_total"],
        "audio_ms": found["earful_audio_seconds_total"],
        "partials": found["earful_partials_total"],
        "partials_dropped": found["earful_partials_dropped_total"],
        "finals": found["earful_finals_total"],
        "ended": found["earful_sessions_ended_total"],
    }


def test_counters_are_what_clients_saw() -> None:
    """Sessions, resumes, chunks, audio, partials, finals and errors; `total_requests` of all workers that ever were."""
    seen = Seen()
    with running_redis() as redis, running(store=redis.url, **SETTINGS) as one, ExitStack() as scope:
        other = scope.enter_context(running(store=redis.url, **SETTINGS))
        live_through(seen, one.address, other.address)
        gone = leave(seen, one, other.address)
        third = scope.enter_context(running(store=redis.url, **SETTINGS))
        live_through(seen, third.address, other.address)
        await_true(lambda: [0, 0] == [len(sessions_of(worker)) for worker in (other, third)])
        sums = Counter[str]()
        for counts in (gone, counted(other.address), counted(third.address)):
            sums.update(counts)
        await_true(lambda: seen.requests == third.address.get("/v1/metrics")["total_requests"])
    saw = {
        "requests": seen.requests,
        "sessions": seen.requests + seen.resumed,
        "resumed": seen.resumed,
        "errors": seen.errors.total(),
        "chunks": seen.chunks,
        "audio_ms": seen.audio_ms,
        "partials": seen.told["partial"],
        "finals": seen.told["final"],
    }
    assert saw == {name: sums[name] for name in saw}
    assert 0 < sums["partials_dropped"]
    assert {1000, 1003, 1008, 1012, 4201} == set(seen.closes)


def sessions_of(worker: Running) -> list[object]:
    """The sessions that are live with a worker, or its neighbours."""
    return list(worker.address.get("/v1/sessions")["sessions"])
