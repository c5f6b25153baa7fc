"""Tracing as the service sees it: off by default and free, refused with a sentence where it cannot be."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from tests.support.inside import Record

from earful.settings import Settings, SettingsError
from earful.telemetry.tracing import NO_TRACE, NO_TRACER, check_tracing, open_tracer

ON = Settings.load({"tracing": "on"}, {"EARFUL_TRACING_CALLS_PERCENT": "0"})


def test_it_is_off_by_default() -> None:
    """One tracer for all, which begins one trace for all."""
    tracer = open_tracer(Settings(), Record(), "a-worker")
    assert tracer is NO_TRACER
    assert tracer.session("one", None) is tracer.upload("two", None) is NO_TRACE


def test_off_it_costs_no_memory() -> None:
    """Whatever it is told."""
    tracemalloc.start()
    try:  # More than once: other threads of the tests' process may take some just then.
        grown_bytes = min(grown_by_a_thousand() for _ in range(5))
    finally:
        tracemalloc.stop()
    asyncio.run(NO_TRACER.close())
    assert 0 == NO_TRACER.lost
    assert grown_bytes < 1000


def grown_by_a_thousand() -> int:
    """What so many sessions leave in memory."""
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(1000):
        trace = NO_TRACER.session("one", None)
        trace.resumed("two", 1)
        trace.answered(0.1)
        trace.told(0, 1, 2, "stop")
        trace.note(audio_ms=1)
        trace.end("stop", failed=True)
        NO_TRACER.model_called("one", 0.1, None)
        NO_TRACER.store_asked(0.1, "")
        NO_TRACER.sweep(0.0)
    return tracemalloc.get_traced_memory()[0] - before


def test_it_is_checked_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Off there is nothing to check."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "smoke-signals")
    check_tracing(Settings())
    with pytest.raises(SettingsError, match="smoke-signals"):
        check_tracing(ON)


def test_on_it_is_opentelemetry_s() -> None:
    """With a thread of its own, until it is closed."""
    tracer = open_tracer(ON, Record(), "a-worker")
    assert tracer is not NO_TRACER
    asyncio.run(tracer.close())
