"""What a worker holds right now, beside its counters: descriptors, tasks, buffered bytes, memory.

Back at the baseline when all sessions have gone, or something was left behind. Read by `/metrics`, and
written to the log when the last session leaves and when the worker stops.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earful.service.registry import Registry

_FILES = Path("/proc/self/fd")
_MEMORY = Path("/proc/self/statm")
_RESIDENT = 1


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at a worker; `open_files` and `resident_bytes` are 0 where the system does not tell."""

    sessions: int
    slots: int
    uploads: int
    buffered_bytes: int
    unsent_bytes: int
    model_calls: int
    orphaned_calls: int
    tasks: int
    open_files: int
    resident_bytes: int

    def as_dict(self) -> dict[str, int]:
        """All figures by name."""
        return asdict(self)


def look(registry: Registry) -> Vitals:
    """Look at the worker of this registry; costs some time per session, so not on the audio path."""
    connections = registry.connections.values()
    return Vitals(
        sessions=len(connections),
        slots=registry.taken,
        uploads=registry.uploads,
        buffered_bytes=sum(connection.session.buffered_bytes for connection in connections),
        unsent_bytes=sum(connection.unsent_bytes for connection in connections),
        model_calls=registry.engine.in_flight + registry.engine.waiting,
        orphaned_calls=registry.engine.orphans,
        tasks=len(asyncio.all_tasks()),
        open_files=_open_files(),
        resident_bytes=_resident_bytes(),
    )


def glance(registry: Registry) -> dict[str, int]:
    """The same in short, for another thread than the loop's: nothing that the loop may change is walked through."""
    return {
        "sessions": len(registry.connections),
        "uploads": registry.uploads,
        "in_flight": registry.engine.in_flight,
        "waiting": registry.engine.waiting,
        "orphaned_calls": registry.engine.orphans,
        "open_files": _open_files(),
        "resident_bytes": _resident_bytes(),
    }


def _open_files() -> int:
    try:
        # Less the one that this look opens.
        return sum(1 for _ in _FILES.iterdir()) - 1
    except OSError:
        return 0


def _resident_bytes() -> int:
    try:
        return int(_MEMORY.read_text().split()[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
