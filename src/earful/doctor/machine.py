"""This machine and this installation, against what the settings promise.

`read_machine` looks, the rest is pure. Called by `cli/doctor.py`.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from earful.doctor.finding import Finding, fail, ok, warn
from earful.open_files import needed_files, seats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.settings import Settings

SESSION_BYTES = 64 * 1024
"""What a speaking session takes, at most."""
WORKER_BYTES = 96 << 20
"""What a worker takes without any, its model not counted."""
_MEMORY = Path("/proc/meminfo")
_CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")
_BACKLOG = Path("/proc/sys/net/core/somaxconn")
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Machine:
    """What it has; None where the system does not tell."""

    files: int
    """A process may have open, at most."""
    backlog: int | None
    """Connections that may wait to be accepted."""
    memory_bytes: int | None
    """There for processes, now."""
    modules: frozenset[str]
    """Of the optional ones, those that are installed."""
    is_compiled: bool


def read_machine(*, is_compiled: bool) -> Machine:
    """Look at this one."""
    known = [name for name in ("av", "httptools", "uvloop") if find_spec(name) is not None]
    return Machine(
        resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        _number_in(_BACKLOG),
        _memory_bytes(),
        frozenset(known),
        is_compiled,
    )


def check_machine(machine: Machine, settings: Settings, backlog: int) -> Iterator[Finding]:
    """What it has against what these settings need; `backlog` is what a server asks the kernel for."""
    yield _files(machine.files, settings)
    if machine.backlog is not None:
        yield _waiting(machine.backlog, backlog)
    if machine.memory_bytes is not None:
        yield _memory(machine.memory_bytes, settings)
    yield _loop(machine.modules)
    yield _compiled(is_compiled=machine.is_compiled)
    yield _decoder(machine.modules)


def _files(limit: int, settings: Settings) -> Finding:
    needed = needed_files(settings)
    what = f"a process may open {limit:,} files; {needed:,} are needed at max_sessions, its reserve and max_uploads"
    if limit >= needed:
        return ok("open files", what)
    return fail("open files", what, f"Raise the hard limit (LimitNOFILE={needed}, ulimit -Hn), or lower max_sessions.")


def _waiting(somaxconn: int, backlog: int) -> Finding:
    what = f"{min(somaxconn, backlog):,} connections may wait to be accepted; the server asks for {backlog:,}"
    if somaxconn >= backlog:
        return ok("listen backlog", what)
    return warn("listen backlog", what, f"Set net.core.somaxconn={backlog}, or many who connect at once are refused.")


def _memory(there_bytes: int, settings: Settings) -> Finding:
    needed = settings.workers * (WORKER_BYTES + seats(settings) * SESSION_BYTES)
    what = (
        f"{needed / _MB:,.0f} MB are needed for {settings.workers} worker(s) full of speakers, models not counted;"
        f" {there_bytes / _MB:,.0f} MB are there"
    )
    if there_bytes >= needed:
        return ok("memory", what)
    return warn("memory", what, "Add memory, or lower max_sessions: what does not fit is killed with all its sessions.")


def _loop(modules: frozenset[str]) -> Finding:
    missing = [name for name in ("uvloop", "httptools") if name not in modules]
    if not missing:
        return ok("event loop", "uvloop and httptools are installed")
    return warn(
        "event loop",
        f"without {' and '.join(missing)} the server runs on what Python has, for more CPU",
        f"pip install {' '.join(missing)}.",
    )


def _compiled(*, is_compiled: bool) -> Finding:
    if is_compiled:
        return ok("compiled code", "the chunk's way is machine code")
    return warn(
        "compiled code",
        "the chunk's way is plain Python, for about a fifth more CPU",
        "Install from a wheel that was built where there is a C compiler.",
    )


def _decoder(modules: frozenset[str]) -> Finding:
    if "av" in modules:
        return ok("uploads", "mp3, m4a, ogg, webm and flac are heard, as WAV is")
    return warn(
        "uploads", "only WAV is heard; all else is answered 415", "pip install 'earful[audio]', where it is used."
    )


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # Not there, or the word for "no limit".
        return None


def _memory_bytes() -> int | None:
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    limits = [limit for limit in (available, _number_in(_CGROUP_MEMORY)) if limit is not None]
    return min(limits, default=None)
