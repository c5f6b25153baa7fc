"""The server beside its own OpenAPI, by `bench/rest_cases.py`: a few cases of what it does with thousands."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.support.server import PATHS, ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]


def test_no_case_finds_an_answer_that_the_schema_does_not_have() -> None:
    """On one listener and on that for operations; no error of the server's, no fault in its log."""
    command = [sys.executable, str(ROOT / "bench" / "rest_cases.py"), "--cases", "6", "--phases", "fuzzing"]
    paths = {"PYTHONPATH": os.pathsep.join(PATHS)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=180, check=False, env={**os.environ, **paths}
    )
    report = json.loads(done.stdout.splitlines()[-1])
    assert [] == report["failed"], done.stdout
    assert report["figures"]["operations listener: cases"] >= 3
