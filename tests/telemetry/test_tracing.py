"""Tracing as the service sees it: off by default and free, refused with a sentence where it cannot be."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from tests.support.inside import Record

from earful.errors import EarfulError, ErrorCode
from earful.settings import Settings, SettingsError
from earful.telemetry.tracing import NO_TRACE, NO_TRACER, check_tracing, open_tracer, traced

ON = Settings.load({"tracing": "on"}, {"EARFUL_TRACING_CALLS_PERCENT": "0"})


class Ended:
    """A trace that keeps how it ended."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, bool]] = []

    def resumed(self, session_id: str, attempt: int) -> None:
        """Not here."""

    def answered(self, lag_s: float) -> None:
        """Not here."""

    def told(self, index: int, start_ms: int, end_ms: int, reason: str) -> None:
        """Not here."""

    def note(self, **numbers: float) -> None:
        """Not here."""

    def end(self, reason: str, *, failed: bool) -> None:
        """Keep it."""
        self.ends.append((reason, failed))


def test_it_is_off_by_default() -> None:
    """One tracer for all, which begins one trace for all."""
    tracer = open_tracer(Settings(), Record(), "a-worker")
    assert tracer is NO_TRACER
    assert tracer.session("one", None) is tracer.upload("two", None) is NO_TRACE


def test_off_it_costs_no_memory() -> None:
    """Whatever it is told."""
    tracemalloc.start()
    try:
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
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    asyncio.run(NO_TRACER.close())
    assert after - before < 1000


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


def test_a_scope_ends_its_trace() -> None:
    """Well, or by what ended the scope."""
    trace = Ended()
    with traced(trace) as same:
        assert same is trace
    with pytest.raises(EarfulError), traced(trace):
        raise EarfulError(ErrorCode.TOO_LARGE)
    with pytest.raises(KeyError), traced(trace):
        raise KeyError("a bug")
    assert [("done", False), ("too_large", True), ("internal", True)] == trace.ends
