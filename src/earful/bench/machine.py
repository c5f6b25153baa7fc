"""Where a measurement ran, as the JSON of a report has it, and its numbers as they are worth writing down."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import earful

_CPU_INFO = Path("/proc/cpuinfo")


def where() -> dict[str, Any]:
    """Versions, platform and processors; what is not known is null."""
    return {
        "versions": {"earful": earful.__version__, "python": platform.python_version(), "uvloop": _uvloop()},
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "cpu": _cpu(),
    }


def rounded(value: Any) -> Any:
    """The same tree, its numbers to a thousandth: more is noise."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return round(value, 3) if isinstance(value, float) else value


def _cpu() -> str | None:
    """What the processor calls itself."""
    try:
        named = re.search(r"^model name\s*: (.+)$", _CPU_INFO.read_text("utf-8"), re.MULTILINE)
    except OSError:
        return None
    return named[1] if named else None


def _uvloop() -> str | None:
    try:
        return metadata.version("uvloop")
    except metadata.PackageNotFoundError:
        return None
