"""A process tree's CPU time and memory: this test's own."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from earful.bench.process import ProcessTree, Usage

NOBODY = 1 << 22
"""Above the greatest pid there is."""


def test_memory_is_that_of_the_whole_tree() -> None:
    """A child's, too, and none of it once that is gone."""
    alone = ProcessTree(os.getpid()).look()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        tree = ProcessTree(os.getpid())
        both = tree.look()
        assert {os.getpid(), child.pid} <= both.cpu_s.keys()
        assert both.resident_bytes > alone.resident_bytes
        assert child.pid not in alone.cpu_s
        child.kill()
        child.wait()
    assert child.pid not in tree.look().cpu_s


def test_cpu_time_grows_with_work() -> None:
    """By a tick at least, within some ticks of work."""
    tree = ProcessTree(os.getpid())
    before, until_s = tree.look(), time.process_time() + 0.05
    while time.process_time() < until_s:
        pass
    assert tree.look().cpu_since(before) > 0


def test_cpu_time_is_that_of_each_process() -> None:
    """One that began since counts from its beginning."""
    assert pytest.approx(2.5) == Usage({1: 4.0, 3: 1.5}, 0).cpu_since(Usage({1: 3.0, 2: 7.0}, 0))


def test_nobody_is_refused() -> None:
    """A pid may be mistyped."""
    with pytest.raises(ProcessLookupError):
        ProcessTree(NOBODY + 1)
