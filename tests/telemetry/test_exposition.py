"""The Prometheus text: every counter, in a form that Prometheus' own parser reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from earful import __version__
from earful.errors import ErrorCode
from earful.telemetry.exposition import CONTENT_TYPE, render
from earful.telemetry.gauges import Gauges
from earful.telemetry.metrics import Metrics
from earful.telemetry.totals import Totals

GAUGES = Gauges()


def samples(metrics: Metrics, gauges: Gauges = GAUGES) -> dict[tuple[str, str], float]:
    """All samples by name and label."""
    text = render(metrics, gauges).decode()
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_are_read_at_the_scrape() -> None:
    """Plain numbers come out as they are."""
    metrics = Metrics(0.0)
    metrics.of_ended.add(Totals(chunks=2, audio_ms=1400))
    metrics.session_started()
    metrics.session_started()
    metrics.session_resumed()
    metrics.session_ended("stop")
    metrics.error_sent(ErrorCode.BAD_AUDIO)
    found = samples(metrics, Gauges(sessions={"active": 1}, of_live=Totals(chunks=1, audio_ms=100)))
    assert 3 == found["earful_chunks_total", ""]
    assert 1.5 == found["earful_audio_seconds_total", ""]
    assert 1 == found["earful_sessions", "active"]
    assert 1 == found["earful_resumes_total", "resumed"]
    assert 1 == found["earful_sessions_ended_total", "stop"]
    assert 1 == found["earful_errors_total", "bad_audio"]


def test_histograms_are_cumulative() -> None:
    """Each bucket holds all below it; the last is the count."""
    metrics = Metrics(0.0)
    metrics.answered(0.04)
    metrics.answered(0.3)
    metrics.answered(60.0)
    found = samples(metrics)
    name = "earful_chunk_latency_seconds"
    assert (0, 1, 2, 3) == tuple(found[f"{name}_bucket", bound] for bound in ("0.03", "0.05", "0.3", "+Inf"))
    assert (3, 60.34) == (found[f"{name}_count", ""], found[f"{name}_sum", ""])


def test_batches_are_told() -> None:
    """How many items, how long they waited, how long the model took."""
    metrics = Metrics(0.0)
    metrics.batch_ended(7, 0.1, 0.25)
    found = samples(metrics)
    assert (0, 1) == (found["earful_batch_size_bucket", "5"], found["earful_batch_size_bucket", "7"])
    assert (7, 0.1, 0.25) == (
        found["earful_batch_size_sum", ""],
        found["earful_batch_wait_seconds_sum", ""],
        found["earful_model_step_seconds_sum", ""],
    )


def test_the_media_type_is_prometheus_text() -> None:
    """What the route says it answers."""
    assert CONTENT_TYPE.startswith("text/plain; version=")


def test_a_shared_store_is_shown_where_there_is_one() -> None:
    """Up or down, what its exchanges took, and what claims were answered."""
    metrics = Metrics(0.0)
    assert ("earful_store_up", "") not in samples(metrics)
    metrics.store_is_up = False
    metrics.exchange.observe(0.002)
    metrics.claimed("superseded")
    metrics.claims_undecided += 2
    found = samples(metrics)
    assert (0, 1) == (found["earful_store_up", ""], found["earful_store_exchange_seconds_count", ""])
    assert (1, 2) == (found["earful_claims_total", "superseded"], found["earful_claims_undecided_total", ""])


def test_overload_is_shown() -> None:
    """The level of now, and how often each was entered."""
    metrics = Metrics(0.0)
    metrics.pressed(1)
    metrics.pressed(2)
    metrics.pressed(1)
    found = samples(metrics, Gauges(level=1, is_accepting=False))
    assert (1, 0) == (found["earful_overload_level", ""], found["earful_accepting", ""])
    assert [0, 2, 1, 0, 0] == [found["earful_overload_changes_total", str(level)] for level in range(5)]


def test_labels_that_are_known_begin_with_zero() -> None:
    """Of a series that begins with 1 nobody would see an increase."""
    found = samples(Metrics(0.0))
    assert {0.0} == {found["earful_errors_total", code] for code in ErrorCode}
    assert (0, 0) == (found["earful_refusals_total", "overloaded"], found["earful_resumes_total", "failed"])


def test_the_loop_shows_how_late_it_was() -> None:
    """Every sweep in a histogram, and the worst of the last minute by itself."""
    metrics = Metrics(0.0)
    metrics.swept(0.004)
    metrics.swept(2.5)
    metrics.tick(1.0)
    metrics.swept(0.001)
    found = samples(metrics)
    name = "earful_event_loop_lag_seconds"
    assert (1, 2, 3) == tuple(found[f"{name}_bucket", bound] for bound in ("0.001", "0.005", "+Inf"))
    assert 2.5 == found["earful_event_loop_lag_max_seconds", ""]
    for now in range(2, 70):
        metrics.tick(float(now))
    assert 0 == samples(metrics)["earful_event_loop_lag_max_seconds", ""]


def test_the_process_and_the_log_are_told() -> None:
    """Memory, files and garbage by prometheus-client; log and tracer say how many lines and spans they lost."""
    metrics = Metrics(0.0)
    metrics.log_lines_dropped = lambda: 7
    metrics.spans_lost = lambda: 3
    found = samples(metrics)
    assert 7 == found["earful_log_lines_dropped_total", ""]
    assert 3 == found["earful_spans_lost_total", ""]
    assert 0 < found["process_resident_memory_bytes", ""] < found["earful_memory_limit_bytes", ""]
    assert 0 < found["process_open_fds", ""] < found["process_max_fds", ""]
    assert ("python_gc_collections_total", "0") in found
    assert f'version="{__version__}"' in render(metrics, GAUGES).decode()


def test_processes_of_the_model_are_shown() -> None:
    """With each cause of an end from the beginning; a load only where it is known."""
    assert ("earful_model_load", "") not in samples(Metrics(0.0))
    gauges = Gauges(model_load=0.4, model_processes=2, model_process_ends={"died": 3}, model_replays=5)
    found = samples(Metrics(0.0), gauges)
    assert (0.4, 2, 5) == tuple(found[f"earful_model_{name}", ""] for name in ("load", "processes", "replays_total"))
    assert (3, 0) == tuple(found["earful_model_process_ends_total", cause] for cause in ("died", "hung"))
