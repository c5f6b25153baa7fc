"""PCM as floats."""

from __future__ import annotations

import numpy as np

from earful.models.samples import as_floats


def test_full_scale_is_one() -> None:
    """Both ends, and the middle."""
    floats = as_floats(np.array([-32768, 0, 16384], "<i2").tobytes())
    assert ("float32", [-1.0, 0.0, 0.5]) == (floats.dtype.name, floats.tolist())
