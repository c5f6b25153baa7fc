"""CPU of each thread of some processes, to the nanosecond, as Linux' scheduler counts it.

So a server's own work can be told from its model's, which computes in a thread beside the event loop's.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from earful.bench.process import ProcessTree

if TYPE_CHECKING:
    from collections.abc import Mapping


class Split(NamedTuple):
    """CPU seconds: of the one thread of each process that took most beside its first, and of all others together."""

    model_s: float
    service_s: float


class Threads:
    """Of a process and its descendants, since this was made."""

    def __init__(self, pid: int) -> None:
        """Begin now."""
        self._tree = ProcessTree(pid)
        self._before = self._look()

    def split(self) -> Split:
        """Who took how much."""
        spent: dict[int, dict[int, float]] = defaultdict(dict)
        for (pid, thread), seconds in self._look().items():
            spent[pid][thread] = seconds - self._before.get((pid, thread), 0.0)
        whole_s = sum(sum(threads.values()) for threads in spent.values())
        model_s = sum(
            max((seconds for thread, seconds in threads.items() if thread != pid), default=0.0)
            for pid, threads in spent.items()
        )
        return Split(model_s, whole_s - model_s)

    def _look(self) -> Mapping[tuple[int, int], float]:
        return {
            (pid, int(thread.name)): int((thread / "schedstat").read_text("ascii").split()[0]) / 1e9
            for pid in self._tree.pids
            for thread in Path(f"/proc/{pid}/task").iterdir()
        }
