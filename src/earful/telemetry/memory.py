"""How much memory there is to use and how much is used: of the container, or of the machine where none limits it.

Linux' cgroups (version 2) and /proc; zeros where the system does not tell. Read by the scrape.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")
_UNLIMITED = "max"


class Memory(NamedTuple):
    """In bytes; all workers of a container share both. What the kernel could drop at once is not in use."""

    used_bytes: int
    limit_bytes: int


def look(root: Path = ROOT) -> Memory:
    """How it stands now; `root` is the file system to read it from."""
    try:
        return _of_container(root) or _of_machine(root)
    except (OSError, KeyError, ValueError):
        return Memory(0, 0)


def _of_container(root: Path) -> Memory | None:
    """By this process's cgroup; None where that has no limit."""
    try:
        own = (root / "proc/self/cgroup").read_text().strip().rpartition("::")[2]
        group = root / "sys/fs/cgroup" / own.lstrip("/")
        limit = (group / "memory.max").read_text().strip()
        if limit == _UNLIMITED:
            return None
        droppable = _table(group / "memory.stat")["inactive_file"]
        return Memory(max(0, int((group / "memory.current").read_text()) - droppable), int(limit))
    except FileNotFoundError:
        return None


def _of_machine(root: Path) -> Memory:
    info = _table(root / "proc/meminfo")
    total_kib, available_kib = info["MemTotal:"], info["MemAvailable:"]
    return Memory((total_kib - available_kib) * 1024, total_kib * 1024)


def _table(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    return {words[0]: int(words[1]) for words in map(str.split, path.read_text().splitlines())}
