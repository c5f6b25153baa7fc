"""Several workers' windows as one summary, and their way from one to the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from earful.telemetry.metrics import Metrics
from earful.telemetry.summary import Window, read_window, summary_of


def window(*latencies_s: float, ended: int = 0, failed: int = 0) -> Window:
    """A worker that has answered like this for ten seconds."""
    metrics = Metrics(0.0)
    for nth in range(ended):
        metrics.session_started()
        metrics.session_ended("stop", failed=nth < failed)
    for seconds in latencies_s:
        metrics.answered(seconds)
        metrics.upload_started()
        metrics.upload_ended(seconds)
    return metrics.window(10.0)


def test_a_window_travels_unchanged() -> None:
    """As numbers and bytes."""
    told = window(0.04, 0.2, ended=3, failed=1)
    assert told == read_window(told.numbers(), told.histograms())


@pytest.mark.parametrize("histograms", [b"", b"{}", b"[]", b"[[[1.0],[1,2],0.5]]"])
def test_what_cannot_be_read_is_none(histograms: bytes) -> None:
    """Another release's histograms, or numbers that are missing."""
    told = window(0.04)
    assert None is read_window(told.numbers(), histograms)
    assert None is read_window({}, told.histograms())


def test_an_earlier_release_has_no_level() -> None:
    """It counts as none; of several workers the highest is told."""
    hard = replace(window(), overload_level=2)
    numbers = {name: value for name, value in hard.numbers().items() if name != "overload_level"}
    calm = read_window(numbers, hard.histograms())
    assert calm is not None
    assert (0, 2) == (calm.overload_level, summary_of([hard, calm])["overload_level"])


def test_several_workers_are_one() -> None:
    """Counts and rates are sums, rates of errors and latencies those of all together."""
    busy, idle = window(*[0.055] * 98, ended=3), window(0.195, 0.195, ended=1, failed=1)
    summary = summary_of([busy, idle])
    assert (104, 10.4) == (summary["total_requests"], summary["requests_per_second"])
    assert round(1 / 104, 4) == summary["error_rate"]
    assert pytest.approx((98 * 55 + 2 * 195) / 100, abs=0.01) == summary["avg_latency_ms"]
    assert summary["latency_ms"]["p95"] <= 60
    assert 150 < summary["latency_ms"]["p99"] == summary["upload_ms"]["p99"] <= 200
