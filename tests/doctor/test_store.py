"""The store, at real servers: away, as it should be, and set up in ways that lose what it is told."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.redis_server import cluster_url, running_cluster, running_redis

from earful.doctor.finding import Finding, Grade
from earful.doctor.store import Answered, check_node, check_store

INFO = {"redis_version": "7.0.15", "maxmemory_policy": "noeviction", "maxmemory": "0"}


def found(url: str) -> dict[str, Finding]:
    """What is said of it, by what it is about."""
    return {finding.about: finding for finding in asyncio.run(check_store(url))}


def test_a_good_one() -> None:
    """Alone, with nothing on disk."""
    with running_redis() as redis:
        findings = found(redis.url)
    assert {"store", "store version", "store eviction", "store persistence", "clock"} == set(findings)
    assert {Grade.OK} == {finding.grade for finding in findings.values()}
    assert f"127.0.0.1:{redis.port} answers in" in findings["store"].what


def test_one_that_evicts_and_writes_to_a_disk() -> None:
    """Both are told, with what to do."""
    with running_redis("maxmemory 100mb", "maxmemory-policy volatile-lru", "appendonly yes") as redis:
        findings = found(redis.url)
    assert {"store eviction", "store persistence"} == {
        about for about, finding in findings.items() if finding.grade is Grade.WARN
    }
    assert "noeviction" in findings["store eviction"].advice


def test_one_that_is_away() -> None:
    """Nothing else can be told of it, and its password is not."""
    findings = found("redis://:secret@127.0.0.1:1/0")
    assert [("store", Grade.FAIL)] == [(about, finding.grade) for about, finding in findings.items()]
    assert "secret" not in str(findings)


def test_one_that_refuses() -> None:
    """As one that is away."""
    with running_redis("requirepass other") as redis:
        assert Grade.FAIL is found(redis.url)["store"].grade


def test_each_node_of_a_cluster_is_asked() -> None:
    """By itself."""
    with running_cluster() as nodes:
        findings = asyncio.run(check_store(cluster_url(nodes)))
    assert len(nodes) == sum(finding.about == "store" for finding in findings)
    assert all(finding.grade is Grade.OK for finding in findings)


@pytest.mark.parametrize(
    ("info", "latency_ms", "ahead_s", "wrong"),
    [
        ({}, 0.2, 0.1, {}),
        ({}, 20.0, 0.1, {"store": Grade.WARN}),
        ({}, 250.0, 0.1, {"store": Grade.FAIL}),
        ({}, 0.2, -1.0, {"clock": Grade.WARN}),
        ({"redis_version": "6.0.9"}, 0.2, 0.0, {"store version": Grade.FAIL}),
        ({"redis_version": "6.0.9", "valkey_version": "8.0.1"}, 0.2, 0.0, {}),
        ({"maxmemory_policy": "allkeys-lru"}, 0.2, 0.0, {}),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "1000"}, 0.2, 0.0, {"store eviction": Grade.WARN}),
        ({"rdb_last_bgsave_status": "err"}, 0.2, 0.0, {"store persistence": Grade.FAIL}),
    ],
)
def test_what_a_node_may_say(info: dict[str, str], latency_ms: float, ahead_s: float, wrong: dict[str, Grade]) -> None:
    """Each thing by itself."""
    findings = check_node("here", Answered(INFO | info, latency_ms, ahead_s))
    assert wrong == {finding.about: finding.grade for finding in findings if finding.grade is not Grade.OK}
