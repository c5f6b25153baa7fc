"""The promise over thousands of schedules: whatever happens in whatever order, the finals of an undisturbed run."""

from __future__ import annotations

import gc

import pytest
from tests.simulation.world import explore, explore_all

BATCHES = 24
SCHEDULES = 250
"""In each batch: together 6,000, all different."""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_promise_is_kept_in_every_schedule(batch: int) -> None:
    """Drops, kills, delays, drains, a store that is away or forgets; a failure names the seed that replays it."""
    first = batch * SCHEDULES
    gc.freeze()  # Or the collector would go through all of pytest again and again.
    try:
        schedules = explore_all(range(first, first + SCHEDULES))
        gc.collect()  # What was forgotten in one of them says so now.
    finally:
        gc.unfreeze()
    assert SCHEDULES == len(schedules)


def test_a_seed_replays_its_schedule() -> None:
    """Every choice is the seed's; another seed makes others."""
    assert explore(7) == explore(7) != explore(8)
