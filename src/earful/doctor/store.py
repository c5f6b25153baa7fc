"""The store: whether it answers, how fast, and whether it keeps what it is told.

Every wait is bounded. Asks each node of a cluster, and the master behind sentinels. Imports redis-py, so it is loaded
only where the settings name a store. Called by `cli/doctor.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from earful.doctor.finding import Finding, fail, ok, warn
from earful.store.address import StoreAddress, StoreKind
from earful.store.clients import FAILURES, client_at
from earful.store.link import TURN_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT_S = 1.0
TRIES = 20
SLOW_MS = 20.0
"""Above it an exchange of a busy worker, a few round trips, can take longer than it may."""
OLDEST = (6, 2)
ASTRAY_S = 1.0
_MS = 1000


@dataclass(frozen=True, slots=True)
class Answered:
    """What a node said of itself: its INFO as text, how long it took to answer in ms, its clock against ours in s."""

    info: Mapping[str, str]
    latency_ms: float
    ahead_s: float


async def check_store(url: str) -> list[Finding]:
    """What is to be said of the store at a URL that has one. Raises StoreUrlError."""
    address = StoreAddress.parse(url)
    findings: list[Finding] = []
    for node in _nodes(address):
        place = ", ".join(f"{host}:{port}" for host, port in node.hosts)
        try:
            answered = await _ask(node)
        except FAILURES as error:
            findings.append(_away(place, type(error).__name__))
        else:
            findings += check_node(place, answered)
    return findings


def check_node(place: str, node: Answered) -> Iterator[Finding]:
    """What is to be said of a node that answered."""
    yield _latency(place, node.latency_ms)
    yield _version(node.info)
    yield _eviction(node.info)
    yield _persistence(node.info)
    yield _clock(node.ahead_s)


def _away(place: str, cause: str) -> Finding:
    return fail(
        "store",
        f"{place} does not answer ({cause})",
        "Start it, open its port, or mend EARFUL_STORE; meanwhile each worker is on its own.",
    )


def _latency(place: str, latency_ms: float) -> Finding:
    what = f"{place} answers in {latency_ms:.1f} ms"
    if latency_ms < SLOW_MS:
        return ok("store", what)
    if latency_ms < TURN_S * _MS:
        return warn("store", what, "Put it nearer to the workers: each start and resume waits for it.")
    return fail(
        "store", what, f"That is above {TURN_S * _MS:.0f} ms, so it counts as away; put it nearer to the workers."
    )


def _version(info: Mapping[str, str]) -> Finding:
    if "valkey_version" in info:
        return ok("store version", f"Valkey {info['valkey_version']}")
    text = info.get("redis_version", "0")
    what = f"Redis {text}"
    if tuple(int(part) for part in text.split(".")[:2] if part.isdecimal()) >= OLDEST:
        return ok("store version", what)
    return fail("store version", what, "Use Redis 6.2 or newer, or Valkey.")


def _eviction(info: Mapping[str, str]) -> Finding:
    policy, limit = info.get("maxmemory_policy", "unknown"), info.get("maxmemory", "0")
    if policy == "noeviction":
        return ok("store eviction", "maxmemory-policy is noeviction")
    if limit == "0":
        return ok("store eviction", f"maxmemory-policy is {policy}, but without a maxmemory nothing is evicted")
    return warn(
        "store eviction",
        f"maxmemory-policy is {policy}: at {int(limit):,} bytes it drops who owns which session, and limits with it",
        "CONFIG SET maxmemory-policy noeviction, and give it memory: a session takes under 2 KB.",
    )


def _persistence(info: Mapping[str, str]) -> Finding:
    failed = [
        name
        for name in ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
        if info.get(name, "ok") != "ok"
    ]
    if failed:
        return fail(
            "store persistence",
            f"its last save went wrong ({', '.join(failed)}), so it may refuse to be written to",
            "Mend its disk, or switch persistence off (save '', appendonly no): none is needed.",
        )
    if info.get("aof_enabled") == "1":
        return warn(
            "store persistence",
            "appendonly is on: each write waits for a disk now and then",
            "Switch it off, unless others use this Redis too: what is lost workers report again within a second.",
        )
    return ok("store persistence", "none in the way of a write")


def _clock(ahead_s: float) -> Finding:
    what = f"its clock is {abs(ahead_s):.2f} s {'ahead of' if ahead_s >= 0 else 'behind'} this machine's"
    if abs(ahead_s) < ASTRAY_S:
        return ok("clock", what)
    return warn("clock", what, "Run NTP on all machines: a session's age counts in every worker.")


def _nodes(address: StoreAddress) -> list[StoreAddress]:
    """Whom to ask: each host of a cluster by itself, anything else as it is."""
    if address.kind is not StoreKind.CLUSTER:
        return [address]
    return [replace(address, kind=StoreKind.REDIS, hosts=(host,)) for host in address.hosts]


async def _ask(node: StoreAddress) -> Answered:
    client = client_at(node, 1, TIMEOUT_S, 0)
    try:
        (info,) = await _replies(client.send([("INFO",)]))
        took_ms = []
        for _ in range(TRIES):
            began = time.perf_counter()
            await _replies(client.send([("PING",)]))
            took_ms.append((time.perf_counter() - began) * _MS)
        before = time.time()
        (clock,) = await _replies(client.send([("TIME",)]))
        ahead_s = int(clock[0]) + int(clock[1]) / 1e6 - (before + time.time()) / 2
    finally:
        await client.close()
    return Answered({name: str(value) for name, value in info.items()}, median(took_ms), ahead_s)


async def _replies(sending: Any) -> list[Any]:
    """The replies; raises the first that is an exception, as another failure is."""
    replies: list[Any] = await sending
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
