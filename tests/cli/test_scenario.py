"""`earful bench --scenario` in this process, against a real server in a thread: what is shown, and the exit code."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import inside
from tests.support.server import await_true

from earful.bench.plan import Plan
from earful.bench.scenario.cast import Retrying
from earful.cli import scenario as command
from earful.cli.commands import run
from earful.cli.scenario import Scenario, play

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.inside import Inside

# A busy machine may be late by more than the ten milliseconds that a measurement allows: no matter here.
PLAN = Plan(4, 100, 2.0, p99_ms=10_000, most_late_ms=1e6)


@pytest.fixture(scope="module")
def server() -> Iterator[Inside]:
    """One for all of them."""
    with inside(mock_latency_ms=5, max_sessions=6) as server:
        yield server


@pytest.mark.parametrize("name", ["ramp", "sustained", "spike", "soak"])
def test_a_scenario_within_the_limits_holds(
    name: str, server: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table, JSON and a page; nobody is left, lost or refused, however late a busy machine may be."""
    files = {"json_file": str(tmp_path / "x.json"), "html_file": str(tmp_path / "x.html")}
    code = play(server.address.http, Scenario(name, 1.5), PLAN, wav=None, **files)
    out, err = capsys.readouterr()
    tree: dict[str, Any] = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert (tree["exit_code"], "") == (code, err)
    assert [] == [check for check in tree["checks"] if check["promise"].startswith("no ") and not check["holds"]], out
    assert (name, tree["verdict"]) == (tree["scenario"], out.splitlines()[-1])
    assert (tmp_path / "x.html").read_text("utf-8").count("<svg") >= 4
    server.await_empty(server.tasks)


def test_an_overload_is_refused(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """By the server's own limit, and those who are in go on."""
    scenario = Scenario("overload", 1.0, (0.5, 5.0), Retrying(3, 0.1))
    code = play(server.address.http, scenario, replace(PLAN, streams=6), wav=None, json_file="-", html_file=None)
    out, err = capsys.readouterr()
    tree: dict[str, Any] = json.loads(out)
    assert code == tree["exit_code"]
    assert tree["verdict"] == err.splitlines()[-1]
    before, beyond = tree["phases"]
    assert beyond["refused"] > before["refused"]
    assert ([0, 0], [0, 0]) == tuple([phase[kind] for phase in tree["phases"]] for kind in ("lost", "errors"))
    server.await_empty(server.tasks)


def test_ctrl_c_shows_what_there_is(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 130, and no session is left."""

    def interrupt() -> None:
        await_true(lambda: server.call(lambda: len(server.service.registry.connections)) == 4)
        await_true(lambda: min(listed["audio_ms"] for listed in server.address.get("/v1/sessions")["sessions"]) > 1500)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    plan = replace(PLAN, seconds=3600.0)
    assert 130 == play(server.address.http, Scenario("sustained"), plan, wav=None, json_file=None, html_file=None)
    interrupting.join()
    assert "Interrupted." in capsys.readouterr().out.splitlines()[-1]
    server.await_empty(server.tasks)


def test_what_cannot_be_done_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, nothing on stdout."""
    assert 1 == play("ws://127.0.0.1:1", Scenario("ramp"), PLAN, wav=None, json_file=None, html_file=None)
    out, err = capsys.readouterr()
    assert ("", "earful: Nothing listens at ws://127.0.0.1:1/v1/transcribe/stream;") == (
        out,
        err.partition(" start")[0],
    )


def test_the_flags_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """With defaults of their own."""
    given: list[object] = []

    def record(url: str, scenario: Scenario, plan: Plan, **options: object) -> int:
        given.extend((url, scenario, plan, options))
        return 3

    monkeypatch.setattr(command, "play", record)
    assert 3 == run(["bench", "http://host", "--scenario", "soak"])
    nothing = {"wav": None, "json_file": None, "html_file": None}
    assert ["http://host", Scenario("soak"), Plan(), nothing] == given
    given.clear()
    flags = ["--session-s", "5", "--multiples", "1,2.5", "--retriers", "200", "--retry-ms", "50", "--html", "a.html"]
    assert 3 == run(["bench", "http://host", "--scenario", "overload", "--streams", "7", *flags])
    wanted = Scenario("overload", 5.0, (1.0, 2.5), Retrying(200, 0.05))
    assert ["http://host", wanted, Plan(7), {**nothing, "html_file": "a.html"}] == given


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--scenario", "nothing"], "--scenario"),
        (["--scenario", "overload", "--multiples", "1,x"], "--multiples"),
        (["--scenario", "overload", "--multiples", "0"], "--multiples"),
        (["--scenario", "overload", "--multiples", "1000"], "--multiples"),
    ],
)
def test_flags_that_cannot_be_are_refused(flags: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the flag is named."""
    assert 2 == run(["bench", *flags])
    assert named in capsys.readouterr().err
