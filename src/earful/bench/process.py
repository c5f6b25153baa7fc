"""CPU time and memory of a process of this machine and all its children, read from /proc.

Guarantees to read only the processes that were there when it was made, so that looking costs little.
Called by `step` when a window begins and ends.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROC = Path("/proc")
_GONE = (FileNotFoundError, ProcessLookupError)
# In /proc/PID/stat, counted behind the name, which may hold anything (man 5 proc_pid_stat).
_PARENT, _USER_TICKS, _SYSTEM_TICKS = 1, 11, 12
_RESIDENT_PAGES = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of each process since its start, and resident bytes of all together."""

    cpu_s: Mapping[int, float]
    resident_bytes: int

    def cpu_since(self, earlier: Usage) -> float:
        """CPU seconds that the processes of now used since then; all of it for one that began since."""
        return sum(seconds - earlier.cpu_s.get(pid, 0.0) for pid, seconds in self.cpu_s.items())


class ProcessTree:
    """A process and its descendants as they are now."""

    def __init__(self, pid: int) -> None:
        """Find them; raises ProcessLookupError where there is no such process."""
        if not (_PROC / str(pid) / "stat").exists():
            raise ProcessLookupError(pid)
        children = defaultdict(list)
        for child, parent in _parents():
            children[parent].append(child)
        self.pids = [pid]
        """Of these processes, itself first."""
        for found in self.pids:  # It grows meanwhile.
            self.pids += children[found]

    def look(self) -> Usage:
        """What they use; those that are gone use nothing."""
        cpu_s: dict[int, float] = {}
        resident_bytes = 0
        for pid in self.pids:
            with contextlib.suppress(*_GONE):
                fields = _stat(pid)
                ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
                resident_bytes += _resident_bytes(pid)
                cpu_s[pid] = ticks / os.sysconf("SC_CLK_TCK")
        return Usage(cpu_s, resident_bytes)


def _parents() -> Iterator[tuple[int, int]]:
    """Each process with its parent."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(*_GONE):
                yield int(entry.name), int(_stat(int(entry.name))[_PARENT])


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _resident_bytes(pid: int) -> int:
    pages = (_PROC / str(pid) / "statm").read_text("ascii").split()[_RESIDENT_PAGES]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
