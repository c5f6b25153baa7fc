"""What is measured of a model, in real time, with models whose figures are known."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

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
        time.sleep(0.06)  # noqa: ASYNC251 - this is what is wrong with it
        return await super().transcribe_chunk(audio)


def test_a_batch_gains() -> None:
    """20 ms a step, however many are in it: the more, the better; none failed."""
    figures = asyncio.run(measure(loaded(MockBatchModel, batch_ms=20), speech(1.0)))
    assert figures.batch_gain > 4
    assert figures.max_sessions > 20
    assert 0 == figures.failures
    assert list(figures.throughput) == [2**power for power in range(len(figures.throughput))]


def test_what_blocks_gains_nothing() -> None:
    """And it shows for how long the loop stood still."""
    figures = asyncio.run(measure(loaded(Blocking, latency_ms=0), speech(1.0)))
    assert figures.batch_gain < 1.5
    assert figures.longest_block_ms > 50
    assert [1, 2] == list(figures.throughput)


def test_failures_are_counted() -> None:
    """The figures then say little."""
    assert asyncio.run(measure(loaded(MockASRModel, latency_ms=0, error_rate=1), speech(1.0))).failures > 10


def test_the_suggestion_leaves_some() -> None:
    """Of ten streams' throughput seven are promised; of less than one and a half none."""
    common = {"load_s": 0.0, "load_bytes": 0, "real_time_factor": 0.5, "cpu_factor": 0.5, "session_bytes": 0}
    ten, one = (
        Figures(**common, longest_block_ms=0, throughput=throughput, failures=0)  # type: ignore[arg-type]
        for throughput in ({1: 2.0, 2: 10.0}, {1: 1.4})
    )
    assert (7, 5.0, 0) == (ten.max_sessions, ten.batch_gain, one.max_sessions)
