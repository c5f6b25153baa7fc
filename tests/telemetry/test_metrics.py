"""Metrics: totals since the start, everything else from the last 60 s."""

from __future__ import annotations

import pytest

from earful.errors import ErrorCode
from earful.telemetry.metrics import Metrics
from earful.telemetry.totals import Totals


def test_a_fresh_worker_reports_zeros() -> None:
    """Nothing happened yet."""
    percentiles = {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert {
        "total_requests": 0,
        "active_connections": 0,
        "requests_per_second": 0.0,
        "error_rate": 0.0,
        "avg_latency_ms": 0.0,
        "latency_ms": percentiles,
        "upload_ms": percentiles,
        "overload_level": 0,
    } == Metrics(100.0).summary(100.0)


def test_sessions_and_uploads_are_requests() -> None:
    """Both count; open sessions are the active connections."""
    metrics = Metrics(0.0)
    metrics.session_started()
    metrics.session_started()
    metrics.session_ended("stop")
    metrics.upload_started()
    summary = metrics.summary(10.0)
    assert (3, 1) == (summary["total_requests"], summary["active_connections"])
    assert 0.3 == summary["requests_per_second"]
    assert {"stop": 1} == metrics.sessions_ended


def test_a_resumed_session_is_no_new_request() -> None:
    """It was one where it began; it is an active connection all the same."""
    metrics = Metrics(0.0)
    metrics.session_started()
    metrics.tick(1.0)
    metrics.session_resumed()
    for now in range(2, 70):
        metrics.tick(float(now))
    summary = metrics.summary(70.0)
    assert (0, 1, 0.0) == (summary["total_requests"], summary["active_connections"], summary["requests_per_second"])


def test_the_error_rate_is_of_what_ended() -> None:
    """One failure of four that ended, one still open."""
    metrics = Metrics(0.0)
    for failed in (False, False, True):
        metrics.session_started()
        metrics.session_ended("stop", failed=failed)
    metrics.upload_started()
    metrics.upload_ended(0.25)
    metrics.session_started()
    assert 0.25 == metrics.summary(1.0)["error_rate"]
    assert 200 < metrics.summary(1.0)["upload_ms"]["p50"] <= 300


def test_latency_is_averaged_over_the_window() -> None:
    """What is older than 60 s is forgotten, what is younger counts."""
    metrics = Metrics(0.0)
    metrics.answered(1.0)
    for now in range(1, 31):
        metrics.tick(float(now))
    metrics.answered(0.1)
    for now in range(31, 86):
        metrics.tick(float(now))
    assert pytest.approx(100.0) == metrics.summary(85.0)["avg_latency_ms"]
    assert 0.0 == metrics.summary(95.0)["avg_latency_ms"]


def test_a_summary_without_ticks_still_forgets() -> None:
    """Nobody has to call `tick` for a window to move on, if somebody asks now and then."""
    metrics = Metrics(0.0)
    metrics.answered(0.05)
    assert 50.0 == metrics.summary(1.0)["avg_latency_ms"]
    assert 0.0 == metrics.summary(70.0)["avg_latency_ms"]


def test_the_window_is_bounded_however_often_it_ticks() -> None:
    """An hour of four ticks a second keeps about a minute of seconds."""
    metrics = Metrics(0.0)
    for quarter in range(4 * 3600):
        metrics.tick(quarter / 4)
    assert len(metrics._moments) <= 62


def test_labels_are_bounded() -> None:
    """A label made of anything at all cannot grow without end."""
    metrics = Metrics(0.0)
    for number in range(100):
        metrics.session_started()
        metrics.session_ended(f"reason {number}")
    assert 33 == len(metrics.sessions_ended)
    assert 68 == metrics.sessions_ended["other"]


def test_errors_and_model_calls_are_counted_by_code() -> None:
    """Each under its wire name."""
    metrics = Metrics(0.0)
    metrics.error_sent(ErrorCode.BAD_JSON)
    metrics.refused(ErrorCode.DRAINING)
    metrics.model_called(0.05, None)
    metrics.model_called(0.05, ErrorCode.MODEL_FAILED)
    assert {"bad_json": 1} == metrics.errors
    assert ({"draining": 1}, 0) == (metrics.refusals, metrics.total_requests)
    assert {"model_failed": 1} == metrics.model_failures
    assert 2 == metrics.model_call.snapshot().count


def test_batches_are_counted_by_size_wait_and_time() -> None:
    """Three figures a step, each in a histogram of its own."""
    metrics = Metrics(0.0)
    metrics.batch_ended(500, 0.1, 0.25)
    metrics.batch_ended(100_000, 0.0, 0.25)
    assert (1, 1) == (metrics.batch_size.counts[metrics.batch_size.bounds_s.index(500)], metrics.batch_size.counts[-1])
    assert (0.1, 0.5) == (metrics.batch_wait.total_s, metrics.model_step.total_s)


def test_what_it_came_to_is_plain_numbers() -> None:
    """One for each counter, whatever its labels."""
    metrics = Metrics(0.0)
    metrics.session_started()
    metrics.upload_started()
    metrics.error_sent(ErrorCode.BAD_JSON)
    metrics.error_sent(ErrorCode.SLOW_READER)
    metrics.of_ended.add(Totals(finals=3))
    counts = metrics.counts()
    assert (2, 1, 1, 2, 3) == tuple(counts[name] for name in ("requests", "sessions", "uploads", "errors", "finals"))


def test_resumes_have_outcomes() -> None:
    """What a client was answered that would go on with a session."""
    metrics = Metrics(0.0)
    metrics.session_resumed()
    metrics.claimed("superseded")
    metrics.error_sent(ErrorCode.RESUME_FAILED)
    metrics.error_sent(ErrorCode.RESUME_FAILED)
    assert {"resumed": 1, "superseded": 1, "failed": 2} == metrics.resumes
