"""The promise over real processes, as `bench/faults.py` measures it: ten clients, ten seconds, workers killed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.support.server import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def test_workers_that_are_killed_cost_no_final() -> None:
    """Each client, with a voice of its own, ends with the finals of its undisturbed run; sessions went on elsewhere."""
    command = [sys.executable, str(ROOT / "bench" / "faults.py"), "kill", "--clients", "10", "--seconds", "10"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=80, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])["figures"]
    assert (2, True) == (figures["kills"], figures["resumes"] > 0)
