"""Look through all that servers have logged in a run of the tests: no token, no text and no audio may be there.

Ends with 1 and names what was found, and where. Called by `make unit` and `make installed` with the directory that
`TEST_LOGS` named.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = r"(?:[bdfghjklmnprstvz][aeio][nsr]?){3}"
FORBIDDEN = {
    "a token": re.compile(r"s3cr3t-that-nobody-may-see|what somebody said", re.IGNORECASE),
    "text": re.compile(rf"\b{_WORD}(?: {_WORD}){{2,}}\b"),
    "audio": re.compile(r"[A-Za-z0-9+/]{100,}={0,2}"),
    "a control character": re.compile(r"[\x00-\x08\x0b-\x1f\x7f]"),
}
"""The mark that tests put into tokens, three of the mock's words in a row, base64."""
_SHOWN = 60


def findings(lines: list[str]) -> Iterator[str]:
    """A sentence for each thing that should not be there."""
    for number, line in enumerate(lines, 1):
        for what, pattern in FORBIDDEN.items():
            if found := pattern.search(line):
                yield f"line {number} has {what}: {found.group()[:_SHOWN]!r} in {line[:_SHOWN]!r}"


def main(folder: str) -> int:
    """Check every file in `folder`; the exit code."""
    logs = {path: path.read_text(encoding="utf-8").splitlines() for path in sorted(Path(folder).glob("*.log"))}
    found = [f"{path}: {sentence}" for path, lines in logs.items() for sentence in findings(lines)]
    count = sum(map(len, logs.values()))
    if not count:
        found = [f"no server has logged anything into {folder}: it cannot have been looked through"]
    print(*found or [f"logs: {count} lines of {len(logs)} servers, no token, text or audio among them"], sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
