"""Memory: the container's where that is limited, else the machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.telemetry.memory import Memory, look

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  400 kB\n"


def put(root: Path, **files: str) -> Path:
    """A file system with a process in the cgroup `/pod`, and these files there."""
    group = root / "sys/fs/cgroup/pod"
    for folder in (root / "proc/self", group):
        folder.mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/pod\n")
    (root / "proc/meminfo").write_text(MACHINE)
    for name, text in files.items():
        (group / f"memory.{name}").write_text(text)
    return root


def test_a_container_with_a_limit(tmp_path: Path) -> None:
    """What the kernel could drop at once is not in use."""
    root = put(tmp_path, max="5000\n", current="3000\n", stat="anon 1\ninactive_file 1000\n")
    assert Memory(used_bytes=2000, limit_bytes=5000) == look(root)


def test_a_container_without_a_limit(tmp_path: Path) -> None:
    """The machine's, less what is available."""
    assert Memory(600 * 1024, 1000 * 1024) == look(put(tmp_path, max="max\n"))


def test_no_container(tmp_path: Path) -> None:
    """The same where there is no such file."""
    assert Memory(600 * 1024, 1000 * 1024) == look(put(tmp_path))


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    """Zeros, whatever is missing."""
    assert Memory(0, 0) == look(tmp_path)


def test_this_machine() -> None:
    """Something is used, and less than there is."""
    assert 0 < look().used_bytes < look().limit_bytes
