"""The end of a process at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.support.server import PATHS

PROGRAM = """
import sys, threading, time
sys.stdout.write("said")
sys.stderr.write("told")
threading.Thread(target=time.sleep, args=(60,)).start()
{before}
from earful.leave import leave
leave(7)
"""


@pytest.mark.parametrize(
    ("before", "said"), [("", b"said"), ("sys.stdout.flush(); sys.stdout.close()", b"said"), ("sys.stdout = None", b"")]
)
def test_what_was_printed_is_not_lost(before: str, said: bytes) -> None:
    """And nothing is waited for; a stream that is closed, or none, is no hindrance."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        capture_output=True,
        timeout=30,
        check=False,
        env=environment,
    )
    assert (7, said, b"told") == (done.returncode, done.stdout, done.stderr)
