"""`earful why SESSION`: what happened to a session or an upload, with times, and one sentence that says why it ended.

Asks all workers that can be found from the addresses it is given. Called by `commands`.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from earful.cli.inquiry import inquire
from earful.cli.phrases import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED = 1
_TIMES_WIDTH = 27
"""Of what stands before the words of an event."""


def why(session_id: str, urls: Sequence[str]) -> int:
    """Print the story of a session as the workers that these addresses lead to tell it; the exit code."""
    inquiry = inquire(session_id, urls)
    for complaint in inquiry.complaints():
        _say(f"earful: {complaint}", out=sys.stderr)
    story = inquiry.story
    if not story.accounts:
        if denial := inquiry.denial():
            _say(f"earful: {denial}", out=sys.stderr)
        return _FAILED
    _say(f"{story.kind} {printable(inquiry.session_id)}, times in UTC", "", out=sys.stdout)
    if told := list(story.lines()):
        _say(*told, indent=" " * _TIMES_WIDTH, out=sys.stdout)
        _say("", out=sys.stdout)
    _say(*story.verdict().splitlines(), out=sys.stdout)
    return 0


def _say(*lines: str, indent: str = "", out: TextIO) -> None:
    """Print lines; on a terminal none is cut in the middle of a word."""
    width = shutil.get_terminal_size().columns if out.isatty() else 0
    for line in lines:
        whole = textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False) if width else line
        print(whole, file=out)
