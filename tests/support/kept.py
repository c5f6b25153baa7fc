"""Where the logs of the servers that tests start are kept, so that `scripts/check_logs.py` can look at all of a run.

Only where `TEST_LOGS` names a directory, as `make unit` and `make installed` do; a file for each server.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "s3cr3t-that-nobody-may-see"
"""Part of every token and secret that tests send to a server: none may be in any log."""


def keep(lines: Iterable[str]) -> None:
    """Keep the lines that one server has logged."""
    folder = os.environ.get("TEST_LOGS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{uuid.uuid4().hex}.log").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def keep_events(events: Iterable[dict[str, Any]]) -> None:
    """Keep what a server in this process has logged."""
    keep(json.dumps(event, default=str) for event in tuple(events))
