"""A scenario's outcome: code, verdict and JSON for whatever came of it, and the stretches it is made of."""

from __future__ import annotations

import json

import pytest
from tests.support.stretches import OVERLOAD, filled, outcome, timeline

from earful.bench.scenario.shape import ramp, sustained
from earful.bench.scenario.stretch import phases_of
from earful.bench.tally import Tally

SUSTAINED, RAMP = sustained(10, 10.0), ramp(10, 10.0)


def test_an_overload_that_is_borne_holds() -> None:
    """Its phases are those that are measured, each a sum of its intervals."""
    line = timeline(OVERLOAD)
    for cell in line.cells[10:14]:
        filled(cell, refused=20)
    result = outcome(OVERLOAD, line)
    assert (0, "Everything held. Normal again 0 s after the overload.") == (result.exit_code, result.verdict)
    assert ["0.5x", "1x", "4x", "0.5x"] == [phase.name for phase in result.phases]
    beyond = result.phases[2]
    assert (10.0, 4.0, 20.0, 80, 100) == (beyond.at_s, beyond.seconds, beyond.level, beyond.refused, beyond.arrived)
    assert (40, 10.0, 6.0, 40.0, 60.0) == (
        beyond.answered - 40,
        beyond.streams,
        beyond.good_s_per_s,
        beyond.cpu_pct,
        beyond.resident_mb,
    )
    assert 18 == len(result.intervals)


def test_one_that_is_not_borne_says_what_did_not_hold() -> None:
    """And what went wrong, by its reasons."""
    tally = Tally()
    tally.lost["1011"] = 3
    line = timeline(OVERLOAD)
    for cell in line.cells[10:]:
        filled(cell, 500.0)
    result = outcome(OVERLOAD, line, tally=tally)
    assert 1 == result.exit_code
    promises = "p99 of the admitted at most 1.25 x the unloaded, normal again within 10 s"
    assert f"Did not hold: {promises}. There were 3 lost (1011)." == result.verdict


@pytest.mark.parametrize(
    ("bends", "verdict"),
    [
        (False, "Everything held. 10 streams held a p99 of 100 ms; more were not tried."),
        (True, "Everything held. Up to about 10 streams held a p99 of 100 ms."),
    ],
)
def test_a_ramp_tells_where_it_bends(bends: bool, verdict: str) -> None:  # noqa: FBT001 - a column of the table
    """Or that it did not."""
    line = timeline(RAMP, latency_ms=150.0 if bends else 50.0)
    assert (0, verdict) == ((result := outcome(RAMP, line)).exit_code, result.verdict)


def test_a_sustained_load_that_holds_has_little_to_say() -> None:
    """No pictures of recovery, no bend."""
    assert (0, "Everything held.") == ((result := outcome(SUSTAINED)).exit_code, result.verdict)


def test_a_late_generator_has_measured_itself() -> None:
    """Whatever else came of it."""
    result = outcome(SUSTAINED, timeline(SUSTAINED, late_ms=20.0))
    assert 3 == result.exit_code
    said = "Invalid: the generator itself was late (p99 20.0 ms); give it a core of its own."
    assert said == result.verdict


def test_what_was_interrupted_is_told_up_to_there() -> None:
    """Whole intervals only; before the first there is nothing."""
    result = outcome(SUSTAINED, played_s=3.7)
    assert (130, 3, "Interrupted.") == (result.exit_code, len(result.intervals), result.verdict)
    nothing = outcome(SUSTAINED, played_s=0.5)
    assert (130, []) == (nothing.exit_code, nothing.phases)
    assert "Interrupted. Did not hold: something was measured." == nothing.verdict
    assert "Interrupted. Did not hold: something was measured." == outcome(RAMP, played_s=0.5).verdict
    assert "Interrupted." == outcome(OVERLOAD, played_s=12.5).verdict


def test_the_tree_is_json_with_everything_in_it() -> None:
    """And no credential."""
    tree = json.loads(json.dumps(outcome().tree()))
    assert ("overload", "ws://***@here", 0, True) == (
        tree["scenario"],
        tree["url"],
        tree["exit_code"],
        tree["is_complete"],
    )
    assert (18, 4, 6) == (len(tree["intervals"]), len(tree["phases"]), len(tree["checks"]) + 1)
    assert {"promise", "figure", "holds"} == tree["checks"][0].keys()
    assert {"earful", "python", "uvloop"} == tree["versions"].keys()


def test_where_nothing_is_known_nothing_is_told() -> None:
    """Nobody looked at the server's process, and nobody was answered."""
    line = timeline(SUSTAINED)
    for cell in line.cells:
        cell.cpu_pct = cell.resident_mb = None
        cell.latencies = type(cell.latencies)()
    (phase,) = phases_of(line, SUSTAINED, SUSTAINED.seconds)
    assert (None, None, None) == (phase.cpu_pct, phase.resident_mb, phase.p99_ms)
