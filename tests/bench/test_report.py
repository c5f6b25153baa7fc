"""The report: exit code, verdict and JSON for whatever came of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.support.figures import FULL, figures, quantiles

from earful.bench.plan import Plan
from earful.bench.report import Report, why_not

if TYPE_CHECKING:
    from earful.bench.figures import Figures

GOOD, SLOW, REFUSED, LATE = figures(), figures(200, 150.0), figures(200, refused=2), figures(400, late_ms=30.0)
INVALID = "Invalid: at 400 streams the generator itself was late (p99 30.0 ms, 10 allowed); give it a core of its own."


def report(*steps: Figures, found: int | None = None, trouble: str = "", is_complete: bool = True) -> Report:
    """Of these steps."""
    return Report("ws://me:secret@here?token=secret", Plan(), steps, found, trouble=trouble, is_complete=is_complete)


@pytest.mark.parametrize(
    ("given", "code", "verdict"),
    [
        (report(GOOD), 0, "p99 50.0 ms at 100 streams, and nothing went wrong."),
        (report(SLOW), 0, "p99 150.0 ms at 200 streams, and nothing went wrong."),
        (report(REFUSED), 1, "Failed: 2 refused with HTTP 503."),
        (report(LATE), 3, INVALID),
        (report(GOOD, is_complete=False), 130, "Interrupted. p99 50.0 ms at 100 streams, and nothing went wrong."),
        (report(is_complete=False), 130, "Interrupted. Nothing was measured."),
        (report(), 1, "Nothing was measured."),
        (
            report(GOOD, SLOW, found=100),
            0,
            "100 streams held a p99 of 100 ms; 200 did not: p99 150.0 ms.",
        ),
        (
            report(GOOD, REFUSED, found=100),
            0,
            "100 streams held a p99 of 100 ms; 200 did not: 2 refused with HTTP 503.",
        ),
        (report(SLOW, found=0), 1, "No step held a p99 of 100 ms."),
        (report(GOOD, found=100), 0, "100 streams held a p99 of 100 ms; more were not tried."),
        (
            report(GOOD, LATE, found=100),
            3,
            f"{INVALID} 100 streams held a p99 of 100 ms; 400 did not: the generator was late.",
        ),
        (
            report(LATE, GOOD, SLOW, found=100),
            0,
            "100 streams held a p99 of 100 ms; 200 did not: p99 150.0 ms.",
        ),
        (
            report(GOOD, found=100, trouble="It is gone."),
            1,
            "It is gone. 100 streams held a p99 of 100 ms; more were not tried.",
        ),
    ],
)
def test_every_end_has_its_code_and_its_words(given: Report, code: int, verdict: str) -> None:
    """In one or two sentences."""
    assert (code, verdict) == (given.exit_code, given.verdict)


def test_the_tree_is_json_with_everything_in_it() -> None:
    """What was asked for, where it ran, and each step with its histogram."""
    tree = json.loads(json.dumps(report(figures(100, 50.0, 60.0, server=FULL), SLOW, found=100).tree()))
    assert ("ws://***@here?token=***", 100, True, 0) == (
        tree["url"],
        tree["found_streams"],
        tree["is_complete"],
        tree["exit_code"],
    )
    assert {"earful", "python", "uvloop"} == tree["versions"].keys()
    assert (True, 100) == (tree["arguments"]["find"], tree["arguments"]["streams"])
    first, second = tree["steps"]
    assert (2, 1.0, True, True) == (first["answered"], first["answered_share"], first["valid"], first["held"])
    assert 2 == sum(count for _, count in first["latency"]["buckets"])
    assert (50.0, None, False) == (first["server"]["cpu_pct"], second["server"]["cpu_pct"], second["held"])


@pytest.mark.parametrize(
    ("step", "reason"),
    [(GOOD, ""), (SLOW, "p99 150.0 ms"), (REFUSED, "2 refused with HTTP 503"), (LATE, "the generator was late")],
)
def test_a_step_that_does_not_hold_has_a_reason(step: Figures, reason: str) -> None:
    """In a few words."""
    assert reason == why_not(step, 100.0)


def test_an_unknown_latency_is_no_number() -> None:
    """Nobody spoke: null, not 0."""
    assert quantiles().p99_ms is report(figures(spoken=0)).tree()["steps"][0]["latency"]["p99_ms"]
