"""Another release of earful: a copy of this one's sources that says a little more in everything it writes.

Guarantees that each change is made, and that none of its processes is measured. What it appends is what the rules
of `cursor.py`, `values.py` and `records.py` allow the next release.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from tests.support.server import ROOT

from earful.store.records import VERSION

if TYPE_CHECKING:
    from pathlib import Path

NAME = "999.0.0"
SAYS_MORE = "what only the other release knows"
_CHANGES = (
    ("__init__.py", r'__version__ = "[^"]+"', f'__version__ = "{NAME}"'),
    ("protocol/cursor.py", r"(    index: int = 0\n)", rf'\1    more: str = "{SAYS_MORE}"\n'),
    ("protocol/cursor.py", r"(    position: Position = Position\(\)\n)", rf'\1    more: str = "{SAYS_MORE}"\n'),
    ("store/records.py", rf"VERSION = {VERSION}\n", f"VERSION = {VERSION + 1}\n"),
    ("store/values.py", r'(    detail: bytes = b""\n)', rf'\1    more: str = "{SAYS_MORE}"\n'),
    ("store/values.py", r"(    began_unix_s: float = 0.0\n)", rf'\1    more: str = "{SAYS_MORE}"\n'),
    ("store/values.py", r"(    lost_attempt: int \| None = None\n)", rf'\1    more: str = "{SAYS_MORE}"\n'),
    (
        "store/values.py",
        r'(    histograms: bytes = b""\n    card: Card = Card\(\)\n)',
        rf'\1    more: str = "{SAYS_MORE}"\n',
    ),
)


def other_release(folder: Path) -> dict[str, str]:
    """Make it below `folder`; the environment of processes that run it."""
    shutil.copytree(ROOT / "src" / "earful", folder / "earful", ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in _CHANGES:
        path = folder / "earful" / name
        text, times = re.subn(old, new, path.read_text("utf-8"))
        assert 1 == times, (name, old)
        path.write_text(text, "utf-8")
    return {"PYTHONPATH": str(folder), "COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
