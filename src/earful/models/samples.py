"""PCM as runtimes want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_floats(audio: bytes) -> NDArray[np.float32]:
    """16-bit little-endian PCM as samples from -1 to 1."""
    samples = np.frombuffer(audio, "<i2").astype(np.float32)
    samples /= 32768
    return samples
