"""`earful bench --capacity` in this process, against a real server in a thread, and a scripted one."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.far_end import answering, in_time
from tests.support.inside import inside

from earful.bench import run as run_module
from earful.bench.figures import ServerFigures
from earful.bench.plan import NoMoreFilesError, Plan
from earful.cli import capacity as command
from earful.cli.capacity import measure_capacity
from earful.cli.commands import run
from earful.planning.capacity import UNLIMITED, Capacity

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.far_end import FarEnd

PLAN = Plan(2, seconds=0.3, warmup_s=0.5, most_late_ms=1e6)


def quick(monkeypatch: pytest.MonkeyPatch, *chunks_ms: int, margin_ms: float) -> None:
    """Measure these chunks alone, at one duty, and hold streams to so much more than one takes."""
    monkeypatch.setattr(command, "UNLOADED_CHUNKS", 3)
    monkeypatch.setattr(command, "CHUNKS_MS", chunks_ms)
    monkeypatch.setattr(command, "DUTIES", (1.0,))
    monkeypatch.setattr(command, "MARGIN_MS", margin_ms)


def test_every_point_is_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each as many as the server lets in, at a p99 of so much more than unloaded."""
    quick(monkeypatch, 100, 200, margin_ms=10_000.0)
    with inside(mock_latency_ms=5, max_sessions=2) as server:
        code = measure_capacity(server.address.http, PLAN, wav=None, file=str(tmp_path / "x.json"))
    assert 0 == code, capsys.readouterr().err
    found = Capacity.parse((tmp_path / "x.json").read_bytes())
    assert [(100, 1.0, 2), (200, 1.0, 2)] == [(point.chunk_ms, point.duty, point.streams) for point in found.points]
    assert all(point.p99_ms > 10_000 and point.answers_per_s > 0 for point in found.points)
    assert (0.3, None, None) == (found.seconds, found.points[0].cpu_pct, found.points[0].held_mb)


@pytest.mark.parametrize(
    ("margin_ms", "refuses", "said"),
    [(10_000.0, True, "  2 streams are what the server lets in"), (-10_000.0, False, "")],
)
def test_a_point_that_the_servers_own_limits_ended_is_marked(
    margin_ms: float,
    refuses: bool,  # noqa: FBT001 - a parameter of the test
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And it is told at once, with what to start the server with instead; one that is late was measured itself."""
    quick(monkeypatch, 100, margin_ms=margin_ms)
    with inside(mock_latency_ms=5, max_sessions=2) as server:
        assert 0 == measure_capacity(server.address.http, PLAN, wav=None, file=str(tmp_path / "x.json"))
    (found,) = json.loads((tmp_path / "x.json").read_bytes())["points"]
    assert refuses == found["is_refusal_bound"]
    err = capsys.readouterr().err
    assert said in err
    assert refuses == (f"earful serve {UNLIMITED}" in err)


def test_a_process_that_is_looked_at_is_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its CPU, and its memory before, with the streams that were held, and at worst."""
    quick(monkeypatch, 100, margin_ms=10_000.0)
    with inside(mock_latency_ms=5, max_sessions=2) as server:
        plan = replace(PLAN, seconds=1.5, pid=os.getpid())  # Long enough for a tick of the CPU's clock.
        assert 0 == measure_capacity(server.address.http, plan, wav=None, file=str(tmp_path / "x.json"))
    point = Capacity.parse((tmp_path / "x.json").read_bytes()).points[0]
    assert (point.cpu_pct or 0) > 0
    assert 0 < (point.base_mb or 0)
    assert 0 < (point.held_mb or 0) <= (point.worst_mb or 0)


@pytest.mark.parametrize(("kb", "told"), [(12.5, 12.5), (0.0, None), (-3.0, None), (None, None)])
def test_a_worker_that_did_not_grow_says_nothing_of_a_session(kb: float | None, told: float | None) -> None:
    """It had enough from before."""
    assert told == command.grown_kb(ServerFigures(kb_per_session=kb))


def test_where_nothing_holds_there_is_a_point_of_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file says so; it is no plan's to use."""
    quick(monkeypatch, 100, margin_ms=-10_000.0)

    async def main() -> None:
        async with answering() as there:
            file = tmp_path / "x.json"
            plan = replace(PLAN, streams=1)
            assert 0 == await asyncio.to_thread(measure_capacity, there.url, plan, wav=None, file=str(file))
            assert '"streams": 0' in file.read_text("utf-8")

    in_time(main())


def test_what_cannot_be_measured_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody there, or nobody who answers."""
    assert 1 == measure_capacity("ws://127.0.0.1:1", PLAN, wav=None, file=str(tmp_path / "x.json"))
    monkeypatch.setattr(command, "UNLOADED_CHUNKS", 3)

    async def main() -> None:
        async with answering(answers=lambda _: False) as there:
            code = await asyncio.to_thread(measure_capacity, there.url, PLAN, wav=None, file=str(tmp_path / "x.json"))
            assert 1 == code

    in_time(main())
    nobody, silent = capsys.readouterr().err.splitlines()
    assert nobody.startswith("earful: Nothing listens")
    assert silent.startswith("earful: One stream alone cannot be measured: only 0.0% of the spoken chunks")


def test_a_stream_that_is_answered_in_part_is_no_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what is unloaded: its p99 is that of what was answered, and would be the bound of all that follows."""
    monkeypatch.setattr(command, "CHUNKS_MS", (100,))
    monkeypatch.setattr(command, "UNLOADED_CHUNKS", 10)

    async def main() -> None:
        async with answering(answers=lambda sequence: sequence <= 10) as there:
            file, plan = tmp_path / "none", replace(PLAN, answer_within_s=0.5)
            assert 1 == await asyncio.to_thread(measure_capacity, there.url, plan, wav=None, file=str(file))
            assert not file.exists()

    in_time(main())
    assert "earful: One stream alone cannot be measured: only " in capsys.readouterr().err


def test_a_server_that_is_gone_midway_costs_no_point_that_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and what was found is in the file; where nothing was, what was there before, or no file."""
    quick(monkeypatch, 100, 200, margin_ms=-10_000.0)
    older, none, found = tmp_path / "older", tmp_path / "none", tmp_path / "found"
    older.write_text("older", "utf-8")

    async def measured(served: int, file: Path) -> None:
        async with answering(refuse=lambda nth: nth >= served) as there:
            plan = replace(PLAN, streams=1)
            assert 1 == await asyncio.to_thread(measure_capacity, there.url, plan, wav=None, file=str(file))

    in_time(measured(0, older))
    in_time(measured(0, none))
    in_time(measured(5, found))  # Who is alone, and twice who asks for its health and one that is too slow.
    assert ("older", False) == (older.read_text("utf-8"), none.exists())
    assert [100] == [point["chunk_ms"] for point in json.loads(found.read_bytes())["points"]]
    assert 3 == capsys.readouterr().err.count("earful: No stream could be connected")


def test_a_load_without_more_open_files_has_measured_what_it_could(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker holds at least as many."""
    quick(monkeypatch, 100, margin_ms=10_000.0)

    def make_room(connections: int) -> None:
        if connections > 2:
            raise NoMoreFilesError("No more than two.")

    monkeypatch.setattr(run_module, "make_room", make_room)
    with inside(mock_latency_ms=5) as server:
        assert 0 == measure_capacity(server.address.http, PLAN, wav=None, file=str(tmp_path / "x.json"))
    (found,) = Capacity.parse((tmp_path / "x.json").read_bytes()).points
    assert (2, True) == (found.streams, found.is_generator_bound)
    assert "  No more than two.\n" in capsys.readouterr().err


def test_a_point_whose_server_is_gone_at_its_end_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What failed may have failed for that."""
    quick(monkeypatch, 100, margin_ms=-10_000.0)
    there: list[FarEnd] = []

    def refuse(nth: int) -> bool:
        if nth == 4:  # The last that is searched with.
            there[0].deafen()
        return False

    async def main() -> None:
        async with answering(refuse) as far:
            there.append(far)
            file, plan = tmp_path / "none", replace(PLAN, streams=1)
            assert 1 == await asyncio.to_thread(measure_capacity, far.url, plan, wav=None, file=str(file))
            assert not file.exists()

    in_time(main())
    assert capsys.readouterr().err.splitlines()[-1].startswith("earful: Nothing listens")


def test_bench_gets_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its flag."""
    given: list[object] = []

    def record(url: str, plan: Plan, **options: object) -> int:
        given.extend((url, plan, options))
        return 3

    monkeypatch.setattr(command, "measure_capacity", record)
    assert 3 == run(["bench", "http://host", "--capacity", "x.json", "--streams", "7"])
    assert ["http://host", Plan(7), {"wav": None, "file": "x.json"}] == given
