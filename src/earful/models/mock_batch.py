"""The mock as a batch model: the same words for the same audio, heard in steps. What `--model mock` runs.

With a cost per batch its steps run one at a time, so that batching can be measured; without, they overlap.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from earful.models.types import TranscriptResult
from earful.models.voice import Voice, timed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.models.types import Step


class MockBatchModel:
    """Says `words_per_chunk` words for each whole 100 ms of an utterance, as `MockASRModel` does.

    Each step sleeps `latency_ms`, once, also where an item has audio and ends its utterance. With `batch_ms` or
    `item_ms` a step takes `batch_ms + item_ms * size` instead, one at a time. `error_rate` is the share of
    items, from 0 to 1, that fail with RuntimeError.
    """

    def __init__(
        self,
        latency_ms: float = 50,
        words_per_chunk: int = 2,
        error_rate: float = 0.0,
        batch_ms: float = 0.0,
        item_ms: float = 0.0,
    ) -> None:
        """Raise ValueError for a negative time or number of words, or a rate that is no share."""
        if min(latency_ms, words_per_chunk, batch_ms, item_ms) < 0 or not 0 <= error_rate <= 1:
            message = (
                "latency_ms and words_per_chunk must be 0 or more, as batch_ms and item_ms, error_rate from 0 to 1"
            )
            raise ValueError(message)
        self.concurrency = 1 if batch_ms or item_ms else None
        self._step_s = (batch_ms if self.concurrency else latency_ms) / 1000
        self._item_s = item_ms / 1000
        self._words_per_chunk = words_per_chunk
        self._error_rate = error_rate
        self._random = random.Random()  # noqa: S311 - no secret in it

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """Take the time it takes; answer each item's new words, or all of its utterance where it ends."""
        await asyncio.sleep(self._step_s + self._item_s * len(batch))
        if self._error_rate:
            return [self._hear_or_fail(item) for item in batch]
        return [self._hear(item) for item in batch]

    def _hear(self, item: Step) -> TranscriptResult:
        voice: Voice | None = item.memory
        if voice is None:
            voice = item.memory = Voice(self._words_per_chunk)
        text = voice.hear(item.audio)
        if not item.end:
            return TranscriptResult(text, False)
        text = voice.finish()
        return TranscriptResult(text, True, timed(text, self._words_per_chunk) if item.session.words else ())

    def _hear_or_fail(self, item: Step) -> TranscriptResult | Exception:
        if self._random.random() < self._error_rate:
            return RuntimeError("the mock model was told to fail")
        return self._hear(item)
