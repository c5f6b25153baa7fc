"""Prometheus itself: what it says of a live scrape, and its alerts over two real workers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.deploy.charts import RULES, grouped, queries, records, uses
from tests.docs.pages import ROOT
from tests.support.prometheus import firing, prometheus, promtool, values
from tests.support.raw import RawSocket, connected
from tests.support.redis_server import running_redis
from tests.support.server import await_true, running
from tests.support.speech import OPENING, pieces

from earful.telemetry.exposition import render
from earful.telemetry.gauges import Gauges
from earful.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Address

pytestmark = pytest.mark.e2e

MOST_SERIES = 2000
"""On a busy machine, for a moment: none of these tests is about the store."""
PATIENCE_S = 20.0
REFUSALS = 30
OF_PROMETHEUS = {"up"}
RUNBOOK = sorted((ROOT / "docs" / "runbook").glob("*.md"))


def speak(address: Address) -> None:
    """A session with speech, a mistake and an end."""
    with connected(address) as raw:
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        raw.hear_until("partial")
        raw.say("nonsense")
        raw.say("stop")
        raw.hear_all()


def counted(address: Address) -> str:
    """A scrape."""
    return address.request("GET", "/metrics").body.decode()


@pytest.fixture(scope="module")
def scrape() -> Iterator[str]:
    """What a worker with a store tells that has had a session."""
    with running_redis() as redis, running(store=redis.url) as server:
        speak(server.address)
        await_true(lambda: "earful_store_up 1.0" in counted(server.address))
        yield counted(server.address)


def samples_of(scrape: str) -> dict[str, set[str]]:
    """Labels by the name of each sample."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_promtool_takes_the_metrics(scrape: str) -> None:
    """Names, units and help as Prometheus wishes them."""
    assert "" == promtool("check", "metrics", text=scrape)


def test_a_worker_has_few_series(scrape: str) -> None:
    """Nothing in a label that a client chose."""
    assert 100 < sum(not line.startswith("#") for line in scrape.splitlines()) < MOST_SERIES
    assert "nonsense" not in scrape


def test_every_query_names_what_there_is(scrape: str) -> None:
    """Metrics and labels of all rules and panels."""
    found = samples_of(scrape) | {name: {"code"} for name in records()} | {name: set() for name in OF_PROMETHEUS}
    for query in queries():
        used = list(uses(query))
        assert used, query
        assert set() == {use.metric for use in used} - found.keys(), query
        assert [] == [use for use in used if not use.labels <= found[use.metric]], query
        assert grouped(query) <= set().union(*(found[use.metric] for use in used)), query


@pytest.mark.parametrize("page", RUNBOOK, ids=lambda page: page.name)
def test_the_runbook_names_what_there_is(page: Path, scrape: str) -> None:
    """A metric is written without the suffixes of a histogram; some are there once enough was measured."""
    later = render(Metrics(0.0), Gauges(loop_load=0.5, model_load=0.5)).decode()
    families = {family.name for text in (scrape, later) for family in text_string_to_metric_families(text)}
    known = families | samples_of(scrape).keys()
    assert set() == set(re.findall(r"`((?:earful|process|python)_[a-z_]+)", page.read_text("utf-8"))) - known


def test_prometheus_scrapes_two_workers_and_tells_that_one_refuses(tmp_path: Path) -> None:
    """Each by itself; the rule fires for what only one of them did."""
    with (
        running() as one,
        running(max_sessions=1) as other,
        prometheus(tmp_path, RULES, [one.address, other.address]) as server,
    ):
        names = [f"127.0.0.1:{worker.address.port}" for worker in (one, other)]
        await_true(lambda: values(server, "up == 1").keys() == set(names), PATIENCE_S)
        speak(one.address)
        await_true(lambda: values(server, "earful_requests_total > 0") == {names[0]: 1.0}, PATIENCE_S)
        assert "EarfulRefuses" not in firing(server)
        with connected(other.address):
            for _ in range(REFUSALS):
                refused = RawSocket(other.address).upgrade()
                assert 503 == refused.response.status
                refused.close()
        await_true(lambda: "EarfulRefuses" in firing(server), PATIENCE_S)
        # Perhaps by those of the first look: it may come while they are being refused.
        told = {names[1]: float(REFUSALS)}
        await_true(lambda: values(server, 'earful_refusals_total{code="session_limit"} > 0') == told, PATIENCE_S)
