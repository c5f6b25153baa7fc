"""Who gets the next sessions: the workers with the fewest, or any. Pure, on arrays of one number a worker.

Guarantees that no worker gets more than there is room for. Used by `simulation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def to_the_fewest(live: Numbers, number: int, room: Numbers) -> Numbers:
    """How many each has when so many more have come, each to the worker with the fewest; who finds no room is left out.

    `room` is the most that each may have: who has more keeps them.
    """
    import numpy as np

    top = np.maximum(live, room)
    low, high = 0, int(top.max(initial=0))
    while low < high:  # The highest level to which everybody can be filled.
        level = (low + high + 1) // 2
        if int(_filled(live, level, top).sum()) - int(live.sum()) <= number:
            low = level
        else:
            high = level - 1
    filled = _filled(live, low, top)
    left = number - (int(filled.sum()) - int(live.sum()))
    one_more = np.flatnonzero((filled <= low) & (filled < top))[:left]
    filled[one_more] += 1
    return filled


def to_any(live: Numbers, number: int, room: Numbers, chance: np.random.Generator) -> Numbers:
    """The same, each to any worker that is there, by chance; who comes to a full one is left out."""
    import numpy as np

    there = room > 0
    if not there.any():
        return live
    drawn = chance.multinomial(number, there / there.sum())
    after = live.copy()
    after += np.minimum(drawn, np.maximum(0, room - live))
    return after


def _filled(live: Numbers, level: int, top: Numbers) -> Numbers:
    import numpy as np

    filled: Numbers = np.maximum(live, np.minimum(level, top))
    return filled
