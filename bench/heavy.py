"""The mock model with work to do: each call burns so much CPU time, on the loop, as a small model in Python would.

So a worker's capacity is small, and a machine of two cores can show how that of several adds up. Named by
`scaling.py` as the server's model.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from earful.models.mock import MockASRModel

if TYPE_CHECKING:
    from earful.models.types import TranscriptResult

_MIXED = 100_000


class Heavy(MockASRModel):
    """Burns `cost_us` of CPU time a call, held back meanwhile or not, and then waits as the mock does."""

    def __init__(self, cost_us: int = 300) -> None:
        """`cost_us` comes from the server's `model_options`."""
        super().__init__()
        self._cost_ns = cost_us * 1000

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """The mock's answer, after the work."""
        end = time.thread_time_ns() + self._cost_ns
        while time.thread_time_ns() < end:
            hash(audio[:_MIXED])
        return await super().transcribe_chunk(audio)
