"""How Python itself is set up in a server process: the garbage collector, and whether the hot code is compiled."""

from __future__ import annotations

import gc

from earful.service import connection

COLLECT_AT = (20_000, 20, 20)
"""Objects more than at the last collection, and how many collections of a generation make one of the next."""


def is_compiled() -> bool:
    """Whether what runs for every chunk is machine code, or Python: the same, for more CPU."""
    return not str(connection.__file__).endswith(".py")


def settle_collector() -> None:
    """Have the garbage collector look at what sessions leave behind, not at code and weights, and not so often.

    Sessions free themselves: the collector is for cycles of libraries' (an upgraded HTTP connection and its parser).
    What is there now is never visited again, which also keeps it shared with processes forked from here on.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AT)
