"""Looking for what only the garbage collector frees."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def rings_left_by(act: Callable[[], object]) -> int:
    """How many objects `act` leaves in rings, where nothing but the collector finds them."""
    act()  # What is made once, and stays, is no ring.
    was_on = gc.isenabled()
    gc.disable()
    try:
        while gc.collect():  # What finalizers let go of is found by the next.
            pass
        act()
        return gc.collect()
    finally:
        if was_on:
            gc.enable()
