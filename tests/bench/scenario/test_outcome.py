"""A scenario's outcome: code, verdict and JSON for whatever came of it, and the stretches it is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.support.stretches import OVERLOAD, filled, outcome, timeline

from earful.bench.scenario.shape import overload, ramp, sustained
from earful.bench.scenario.stretch import phases_of
from earful.bench.scenario.timeline import Timeline
from earful.bench.tally import Tally

if TYPE_CHECKING:
    from earful.bench.scenario.shape import Shape

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
    assert 27 == len(result.intervals)


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
    unjudged = "refusals answered within 100 ms at p99 (nobody was refused)"
    assert f"Did not hold: {promises}. Not judged: {unjudged}. There were 3 lost (1011)." == result.verdict


@pytest.mark.parametrize(
    ("shape", "nth"), [(OVERLOAD, 0), (SUSTAINED, 0), (SUSTAINED, 5), (overload(10, 2.25, 2.0, (0.5, 4.0)), -1)]
)
@pytest.mark.parametrize(("kind", "promise"), [("lost", "no sessions lost"), ("errors", "no errors")])
def test_who_is_lost_counts_whenever_it_was(shape: Shape, nth: int, kind: str, promise: str) -> None:
    """Also while sessions come or a capacity fills, and beyond the last whole interval, with the last answers."""
    line = timeline(shape)
    setattr(line.cells[nth], kind, 3)
    result = outcome(shape, line)
    assert (1, [promise]) == (result.exit_code, [check.promise for check in result.checks if check.holds is False])
    assert [3] == [check.figure for check in result.checks if check.promise == promise]


SLOWER, NORMAL = "p99 of the admitted at most 1.25 x the unloaded", "normal again within 10 s"
NO_ROOM = "nothing below the capacity was offered after an overload"
NO_UNLOADED = "nobody was answered at or below the capacity before the overload"


@pytest.mark.parametrize(
    ("multiples", "verdict"),
    [
        ((0.5, 4.0, 0.5), "Everything held. Normal again 0 s after the overload."),
        ((0.5, 4.0, 0.5, 4.0), "Everything held. Normal again 0 s after the overload."),
        ((0.5, 4.0), f"Everything that was judged held. Not judged: {NORMAL} ({NO_ROOM})."),
        (
            (4.0, 0.5),
            f"Everything that was judged held. Not judged: {SLOWER} ({NO_UNLOADED}); {NORMAL} ({NO_UNLOADED}).",
        ),
    ],
)
def test_an_overload_of_any_multiples_is_judged_by_what_was_offered(multiples: tuple[float, ...], verdict: str) -> None:
    """Who is overloaded refuses, at the end of a run as in the middle; that is no recovery that failed."""
    shape = overload(10, 4.0, 2.0, multiples)
    line = timeline(shape)
    for nth, cell in enumerate(line.cells):
        if shape.is_beyond(shape.level(nth + 0.5)):
            filled(cell, refused=20)
    assert (0, verdict) == ((result := outcome(shape, line)).exit_code, result.verdict)


@pytest.mark.parametrize(
    ("slow_s", "code", "recovery_s"), [(0, 0, 0.0), (8, 0, 8.0), (10, 0, 10.0), (11, 1, 11.0), (15, 1, None)]
)
def test_a_recovery_takes_what_it_takes_also_in_a_short_run(slow_s: int, code: int, recovery_s: float | None) -> None:
    """Of ten seconds each as by default: eight are not too many, though only two are left then."""
    shape = overload(10, 10.0, 10.0, (0.5, 4.0, 0.5))
    line = timeline(shape)
    for cell in line.cells[20 : 30 + slow_s]:
        filled(cell, refused=20)
    result = outcome(shape, line)
    at_last = recovery_s if recovery_s is None or recovery_s <= 10 else None  # Three intervals in a row are to come.
    assert (code, at_last) == (result.exit_code, result.recovery_s)


def test_a_service_that_lets_nobody_in_any_more_has_not_recovered() -> None:
    """However well those are answered who were there already, and however often the refused ask again."""
    shape = overload(10, 4.0, 5.0, (0.5, 4.0, 0.5), asks_again=True)
    line = timeline(shape)
    for cell in line.cells[9:13]:
        filled(cell, refused=20)
    for nth, cell in enumerate(line.cells[13:]):
        filled(cell, refused=20)
        cell.arrived = cell.refused
        if nth >= 5:
            cell.streams, cell.owed, cell.latencies, cell.good_s = 0, 0, type(cell.latencies)(), 0.0
    result = outcome(shape, line)
    assert (1, f"Did not hold: {NORMAL}.") == (result.exit_code, result.verdict)


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


@pytest.mark.parametrize("seconds", [1.0, 2.0, 4.9, 10.0, 60.0])
def test_a_ramp_that_breaks_at_its_top_bends_there(seconds: float) -> None:
    """However short it is: the top is measured, and judged."""
    shape = ramp(10, seconds)
    line = timeline(shape)
    for cell in line.cells[int(seconds) + 1 :]:
        filled(cell, 500.0)
    result = outcome(shape, line)
    assert ["up", "held"] == [phase.name for phase in result.phases]
    assert "Everything held. Up to about 10 streams held a p99 of 100 ms." == result.verdict


def test_a_ramp_says_nothing_of_streams_that_were_not_measured() -> None:
    """Where it was interrupted, or nobody spoke at its top, or at all."""
    line = timeline(RAMP)
    for nth, cell in enumerate(line.cells):
        cell.streams = min(nth, 10)
    said = "4 streams held a p99 of 100 ms; more were not measured."
    assert f"Interrupted. {said}" == outcome(RAMP, line, played_s=5.0).verdict
    for cell in line.cells[5:]:
        cell.latencies, cell.owed = type(cell.latencies)(), 0
    assert f"Everything held. {said}" == outcome(RAMP, line).verdict
    nobody = Timeline(0.0, 1.0, RAMP.seconds)
    said = "Did not hold: spoken chunks answered. Where it bends was not judged: nobody spoke."
    assert (1, said) == ((result := outcome(RAMP, nobody)).exit_code, result.verdict)


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
    assert (27, 4, 8) == (len(tree["intervals"]), len(tree["phases"]), len(tree["checks"]))
    assert {"promise", "figure", "holds", "not_judged"} == tree["checks"][0].keys()
    assert {"earful", "python", "uvloop"} == tree["versions"].keys()


@pytest.mark.parametrize("shape", [SUSTAINED, RAMP, OVERLOAD, overload(10, 4.0, 2.0, (4.0,))])
def test_any_tree_is_strict_json(shape: Shape) -> None:
    """Infinity is none, whatever is not known or was never answered."""
    line = timeline(shape)
    for cell in line.cells[8:]:
        cell.latencies = type(cell.latencies)()
    json.dumps(outcome(shape, line).tree(), allow_nan=False)


def test_where_nothing_is_known_nothing_is_told() -> None:
    """Nobody looked at the server's process, and nobody was answered."""
    line = timeline(SUSTAINED)
    for cell in line.cells:
        cell.cpu_pct = cell.resident_mb = None
        cell.latencies = type(cell.latencies)()
    (phase,) = phases_of(line, SUSTAINED, SUSTAINED.seconds)
    assert (None, None, None) == (phase.cpu_pct, phase.resident_mb, phase.p99_ms)
