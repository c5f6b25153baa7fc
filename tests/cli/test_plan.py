"""`earful plan`: what is printed, and what cannot be planned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from tests.support.capacities import GRID, point

from earful.cli.commands import run
from earful.cli.plan import SHIPPED, Weather, time_of
from earful.planning.capacity import UNLIMITED, Capacity, Scaling
from earful.planning.simulation import Fleet, simulate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def capacity(tmp_path: Path) -> str:
    """A capacity file."""
    (tmp_path / "capacity.json").write_text(GRID.text(), "utf-8")
    return str(tmp_path / "capacity.json")


def test_a_plan_says_what_to_buy_and_how_it_would_fare(capacity: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In a table."""
    assert 0 == run(["plan", "--sessions", "100000", "--duty", "0.4", "--capacity", capacity])
    out, err = capsys.readouterr()
    assert "" == err
    rows = rows_of(out)
    assert "72, each with 1,389 of 2,000" == rows["workers"]
    assert "at most 102 ms from when a chunk was due to its answer: so it was measured" == rows["p99"]
    assert {
        "sessions",
        "started with",
        "cores",
        "memory",
        "headroom",
        "Redis",
        "refused",
        "a loss hurts",
    } <= rows.keys()


def test_the_shipped_file_is_used_where_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """And all of it can be had as JSON."""
    assert 0 == run(["plan", "--sessions", "1000", "--json", "--balance", "random", "--hours", "0.1"])
    tree = json.loads(capsys.readouterr().out)
    assert {"need", "estimate", "fleet", "simulation"} == tree.keys()
    assert tree["estimate"]["workers"] >= 2
    assert (102.7, []) == (tree["estimate"]["p99_ms"], tree["estimate"]["at_least"])
    assert (3, 5) == (tree["fleet"]["return_s"], tree["fleet"]["restart_s"])


def rows_of(out: str) -> dict[str, str]:
    """A table's rows by their names."""
    return {name: figure.strip() for name, figure in (line.strip().split("  ", 1) for line in out.splitlines())}


def test_it_is_said_where_points_are_what_a_server_lets_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With how to measure what its machine holds, beside the figures and in the JSON."""
    bound = Capacity(points=[point(streams=25, is_refusal_bound=True), point(200)])
    (tmp_path / "bound.json").write_text(bound.text(), "utf-8")
    flags = ["--sessions", "10", "--hours", "0.1", "--capacity", str(tmp_path / "bound.json")]
    assert 0 == run(["plan", *flags])
    rows = rows_of(capsys.readouterr().out)
    told = "100 ms, duty 1: by its own limits the server refused more than 25 streams before it was slow"
    assert (told, f"earful serve {UNLIMITED}") == (rows["at least"], rows["measure with"])
    assert 0 == run(["plan", *flags, "--json"])
    assert [told] == json.loads(capsys.readouterr().out)["estimate"]["at_least"]
    assert 0 == run(["plan", *flags, "--chunk-ms", "200"])
    assert not {"at least", "measure with"} & rows_of(capsys.readouterr().out).keys()


def test_what_a_worker_was_measured_to_hold_none_of_is_not_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence; the shipped file with no streams at 20 ms."""
    shipped = Capacity.parse(SHIPPED.read_bytes())
    points = [structs.replace(it, streams=0) if it.chunk_ms == 20 else it for it in shipped.points]
    none = tmp_path / "none.json"
    none.write_text(structs.replace(shipped, points=points).text(), "utf-8")
    assert 1 == run(["plan", "--sessions", "10000", "--chunk-ms", "20", "--capacity", str(none)])
    said = (
        "earful: This cannot be planned: with 20 ms chunks at duty 1 a worker held no streams at a p99 of 201.5 ms.\n"
    )
    assert ("", said) == capsys.readouterr()
    assert 0 == run(["plan", "--sessions", "10", "--hours", "0.1", "--capacity", str(none)])


def test_more_than_one_redis_can_do_is_said(capacity: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And what it takes of its memory."""
    assert 0 == run(["plan", "--sessions", "10000000", "--hours", "0.1", "--capacity", capacity])
    rows = rows_of(capsys.readouterr().out)
    assert rows["Redis"].endswith("% of a core: one Redis has one core, so a cluster of 14 nodes at least")
    assert "14,496 MB" == rows["Redis' memory"]


@pytest.mark.parametrize(
    ("flags", "deaths", "hurt"),
    [
        (["--deaths-per-day", "0"], "0 deaths,", "none was lost"),
        ([], "1 death (one at least; 0.0083 to be expected),", "3.0 s on average, 3 s at most"),
        (["--return-s", "20"], "1 death (one at least; ", "20.0 s on average, 20 s at most"),
        (["--deaths-per-day", "1000", "--restart-s", "3600"], "2 deaths,", ", and still at the end"),
    ],
)
def test_a_loss_is_told_with_what_it_is_made_of(
    flags: list[str], deaths: str, hurt: str, capacity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clients that come back and workers that do; none where nobody dies."""
    assert 0 == run(["plan", "--sessions", "10", "--hours", "0.1", "--capacity", capacity, *flags])
    rows = rows_of(capsys.readouterr().out)
    assert rows["lost workers"].startswith(deaths)
    assert rows["a loss hurts"].endswith(hurt)
    return_s, restart_s = ("20" if "20" in flags else "3"), ("3,600" if "3600" in flags else "5")
    assert rows["assumed"].startswith(f"clients are back within {return_s} s, with 8 s to hear again, and give up")
    assert rows["assumed"].endswith(f"; a worker is after {restart_s} s")


def test_what_was_not_measured_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Instead of a number."""
    blind = Capacity(points=[point(cpu_pct=None, base_mb=None)])
    (tmp_path / "blind.json").write_text(blind.text(), "utf-8")
    assert 0 == run(["plan", "--sessions", "10", "--capacity", str(tmp_path / "blind.json"), "--hours", "0.1"])
    assert 3 == capsys.readouterr().out.count("not measured")


def test_what_is_not_simulated_is_said() -> None:
    """So many workers that a day of them is not waited for."""
    fate = simulate(Fleet(workers=2, capacity=9.0, limit=9), 10, 300.0, 360)
    assert "0.1 h" == time_of(Weather(hours=0.1), fate)
    assert "360 s (all 24 h would take too long)" == time_of(Weather(hours=24), fate)


def test_what_lies_beyond_the_file_is_shown(capacity: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the figures that come of it."""
    assert 0 == run(["plan", "--sessions", "10", "--duty", "0.1", "--hours", "0.1", "--capacity", capacity])
    assert "duty 0.1 (measured: 0.4 to 1)" in capsys.readouterr().out


def test_a_worker_that_holds_few_is_planned_with_whole_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that who comes finds a place in the fleet that was planned."""
    few = Capacity(points=[point(streams=1), point(duty=0.4, streams=3)])
    (tmp_path / "few.json").write_text(few.text(), "utf-8")
    flags = ["--sessions", "200", "--duty", "0.6", "--hours", "0.1", "--capacity", str(tmp_path / "few.json")]
    assert 0 == run(["plan", *flags])
    rows = rows_of(capsys.readouterr().out)
    assert "286, each with 1 of 1" == rows["workers"]
    assert rows["started with"].startswith("--max-sessions 1 ")
    assert rows["headroom"].startswith("30%")
    assert rows["refused"].startswith("0 ")


def test_a_worker_that_holds_less_than_one_is_not_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence: nobody could be let in."""
    one = Capacity(points=[point(streams=1)], scaling=[Scaling(2, 0.9)])
    (tmp_path / "one.json").write_text(one.text(), "utf-8")
    assert 1 == run(["plan", "--sessions", "50", "--capacity", str(tmp_path / "one.json")])
    said = "each of 72 workers holds 0.9 of a session, and none can be let in."
    assert ("", f"earful: This cannot be planned: with 100 ms chunks at duty 1 {said}\n") == capsys.readouterr()


def test_more_workers_than_anybody_has_are_not_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, at once."""
    (tmp_path / "one.json").write_text(Capacity(points=[point(streams=1)]).text(), "utf-8")
    assert 1 == run(["plan", "--sessions", "10000000", "--capacity", str(tmp_path / "one.json")])
    assert "It would take 14,285,715 workers, more than can be planned." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot be read: No such file or directory."), ("{}", "cannot be used: it is no capacity")],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1."""
    file = tmp_path / "x.json"
    if text is not None:
        file.write_text(text, "utf-8")
    assert 1 == run(["plan", "--sessions", "10", "--capacity", str(file)])
    out, err = capsys.readouterr()
    assert ("", 1) == (out, err.count("\n"))
    assert said in err


@pytest.mark.parametrize("flags", [["--balance", "other"], ["--duty", "2"], ["--headroom", "1"]])
def test_flags_that_cannot_be_are_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the flag is named."""
    assert 2 == run(["plan", "--sessions", "10", *flags])
    assert flags[0] in capsys.readouterr().err
