"""What is measured of a model, in virtual time, with models whose figures are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import hold_up, run_virtual, virtual_now
from tests.support.models import loaded
from tests.support.sounds import speech

from earful.models.mock import MockASRModel
from earful.models.mock_batch import MockBatchModel
from earful.testing import Figures, measure

if TYPE_CHECKING:
    from earful.models.types import TranscriptResult


class Blocking(MockASRModel):
    """Computes in the event loop, and one at a time."""

    concurrency = 1

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Hold everybody up for 60 ms."""
        hold_up(0.06)
        return await super().transcribe_chunk(audio)


def measured(model_class: type[Any], **options: object) -> Figures:
    """What is measured with a second of speech."""

    async def main() -> Figures:
        return await measure(loaded(model_class, **options), speech(1.0), clock=virtual_now)

    return run_virtual(main())


def test_a_batch_gains() -> None:
    """20 ms a step, however many are in it: as many times the throughput as sessions; none failed."""
    figures = measured(MockBatchModel, batch_ms=20)
    assert pytest.approx(64) == figures.batch_gain
    assert pytest.approx(0.1) == figures.real_time_factor  # Five calls for a second of audio.
    assert 0 == figures.failures
    assert 640 * 0.7 == pytest.approx(figures.max_sessions, abs=1)
    assert [2**power for power in range(7)] == list(figures.throughput)


def test_what_blocks_gains_nothing() -> None:
    """And it shows for how long the loop stood still."""
    figures = measured(Blocking, latency_ms=0)
    assert pytest.approx(1) == figures.batch_gain
    assert 50 < figures.longest_block_ms <= 60
    assert [1, 2] == list(figures.throughput)


def test_what_fails_is_not_heard() -> None:
    """Failures are counted, and audio that failed is no throughput: nobody is told to serve hundreds of them."""
    figures = measured(MockASRModel, latency_ms=1, error_rate=1)
    assert (5, {1: 0.0}, 1.0, 0) == (figures.failures, figures.throughput, figures.batch_gain, figures.max_sessions)
    assert math.inf == figures.real_time_factor == figures.cpu_factor
    half = measured(MockASRModel, latency_ms=100, error_rate=0.5)
    assert 0 < half.failures
    assert half.throughput[1] < 2  # Five calls of 100 ms for a second: those that failed are not in it.


def test_a_model_that_hangs_is_measured_in_a_call() -> None:
    """The first that is late is the last."""
    figures = measured(MockASRModel, latency_ms=100_000)
    assert (1, 0, math.inf) == (figures.failures, figures.max_sessions, figures.real_time_factor)


def test_a_slow_model_is_measured_for_a_minute() -> None:
    """It does not get to the end of the audio: after it was heard once, one call and the end are all."""
    figures = measured(MockASRModel, latency_ms=14_000)
    assert (0, 0, [1]) == (figures.failures, figures.max_sessions, list(figures.throughput))
    assert pytest.approx(2 * 14 / 0.2) == figures.real_time_factor


def test_the_suggestion_leaves_some() -> None:
    """Of ten streams' throughput seven are promised; of less than one and a half none."""
    common = {"load_s": 0.0, "load_bytes": 0, "real_time_factor": 0.5, "cpu_factor": 0.5, "session_bytes": 0}
    ten, one = (
        Figures(**common, longest_block_ms=0, throughput=throughput, failures=0)  # type: ignore[arg-type]
        for throughput in ({1: 2.0, 2: 10.0}, {1: 1.4})
    )
    assert (7, 5.0, 0) == (ten.max_sessions, ten.batch_gain, one.max_sessions)
