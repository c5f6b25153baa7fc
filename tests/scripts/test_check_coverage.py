"""The coverage gates: what falls short is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scripts.check_coverage import main, shortfalls

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def report(overall: float, path: str, percent: float) -> dict[str, Any]:
    """A coverage report of one file."""
    file = {"summary": {"percent_covered": percent}, "missing_lines": [7], "missing_branches": [[3, -1]]}
    return {"totals": {"percent_covered": overall}, "files": {path: file}}


def test_enough_is_enough() -> None:
    """The share holds, and only the pure parts must be complete."""
    assert [] == shortfalls(report(95.0, "src/earful/cli/serve.py", 60.0))
    assert [] == shortfalls(report(95.0, "src/earful/session/session.py", 100.0))


def test_too_little_overall_is_named() -> None:
    """With the share that is there."""
    assert ["94.9 % of everything is covered; 95 % are wanted."] == shortfalls(report(94.9, "x.py", 0))


def test_a_gap_in_a_pure_part_is_named() -> None:
    """With its lines and branches."""
    wanted = "src/earful/audio/pcm.py is not fully covered: lines [7], branches ['3->-1']."
    assert [wanted] == shortfalls(report(99.0, "src/earful/audio/pcm.py", 99.9))


def test_the_exit_code_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 with a line of praise, 1 with the reasons."""
    path = tmp_path / "coverage.json"
    for overall, code, said in ((96.0, 0, "coverage: 96.0 %"), (50.0, 1, "50.0 % of everything")):
        path.write_text(json.dumps(report(overall, "x.py", 0)), encoding="utf-8")
        assert code == main(str(path))
        assert said in capsys.readouterr().out
