"""A share of a core for a process: a group of its own under the kernel's CPU controller, version 1 or 2.

Guarantees that the group is gone when the scope ends, if its process is. Needs to be root. Used by `scaling.py`.
"""

from __future__ import annotations

import contextlib
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PERIOD_US = 5_000
LEAST_QUOTA_US = 1_000
"""The kernel takes no less: a fifth of a core."""
_V1, _V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
_GONE_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.05


@contextmanager
def share(name: str, quota_us: int = LEAST_QUOTA_US) -> Iterator[Path]:
    """A group that gets `quota_us` of CPU time in every 5 ms; OSError where that cannot be had."""
    is_v1 = (_V1 / "tasks").exists()
    group = (_V1 if is_v1 else _V2) / f"earful-{os.getpid()}-{name}"
    group.mkdir()
    try:
        if is_v1:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        yield group
    finally:
        _remove(group)


def join(group: Path, pid: int) -> None:
    """Put a process with all its threads into a group."""
    (group / "cgroup.procs").write_text(str(pid))


def _remove(group: Path) -> None:
    """A group can go a moment after its last process has."""
    end = time.monotonic() + _GONE_WITHIN_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(_LOOK_EVERY_S)
