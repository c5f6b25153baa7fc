"""Bytes in pieces, as the fuzzer says: what a stream makes of them must not depend on where they are cut."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cut(data: bytes, steps: bytes) -> Iterator[bytes]:
    """All of `data` in pieces as long as `steps` say, over and over; an empty piece stays one."""
    at = 0
    for step in itertools.cycle(steps if any(steps) else b"\x01"):
        if at >= len(data):
            return
        yield data[at : at + step]
        at += step
