"""`earful bench` in this process, against a real server in a thread: what is shown, and the exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from tests.support.far_end import answering, in_time
from tests.support.inside import inside
from tests.support.sounds import speech, wav

from earful.bench.plan import Plan
from earful.cli.bench import bench
from earful.cli.measuring import loop_factory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.inside import Inside

# A busy machine may be late by more than the ten milliseconds that a measurement allows: no matter here.
PLAN = Plan(6, 100, 0.5, 0.5, p99_ms=10_000, most_late_ms=1e6)
NOWHERE = "ws://127.0.0.1:1"


@pytest.fixture(scope="module")
def server() -> Iterator[Inside]:
    """One for all of them."""
    with inside(mock_latency_ms=5, max_sessions=6) as server:
        yield server


def run(
    server: Inside, plan: Plan = PLAN, *, wav: str | None = None, find: bool = False, json_file: str | None = None
) -> int:
    """Measure it, and see that it is empty again."""
    code = bench(server.address.http, plan, wav=wav, find=find, json_file=json_file)
    server.await_empty(server.tasks)
    return code


def test_a_table_and_a_verdict_are_shown(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, and nothing else."""
    assert 0 == run(server)
    out, err = capsys.readouterr()
    heading, row, verdict = out.splitlines()
    assert "p99 ms" in heading
    assert ["6", "100"] == row.split()[:2]
    assert verdict.endswith("at 6 streams, and nothing went wrong.")
    assert "" == err


def test_json_on_stdout_leaves_the_table_to_stderr(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be piped."""
    assert 0 == run(server, json_file="-")
    out, err = capsys.readouterr()
    tree: dict[str, Any] = json.loads(out)
    assert (server.address.ws, 0) == (tree["url"], tree["exit_code"])
    assert tree["verdict"] == err.splitlines()[-1]


def test_json_in_a_file_is_there_besides(server: Inside, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table stays on stdout; the recording may be one's own."""
    (tmp_path / "mine.wav").write_bytes(wav(speech(3.0)))
    assert 0 == run(server, wav=str(tmp_path / "mine.wav"), json_file=str(tmp_path / "result.json"))
    step = json.loads((tmp_path / "result.json").read_text("utf-8"))["steps"][0]
    assert 6 == step["streams"]
    assert "p99 ms" in capsys.readouterr().out


def test_a_search_tells_each_step(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr as it goes; all of them are in the table."""
    assert 0 == run(server, Plan(4, 100, 0.3, 0.5, p99_ms=10_000, most_late_ms=1e6), find=True)
    out, err = capsys.readouterr()
    refused = "8 streams: 2 refused with HTTP 503"
    assert ["4 streams: held", refused, refused, "6 streams: held"] == [
        line.split(",")[0] for line in err.splitlines()[:4]
    ]
    assert ["4", "8", "8", "6", "7", "7"] == [line.split()[0] for line in out.splitlines()[1:7]]
    assert "6 streams held a p99 of 10000 ms; 7 did not: 1 refused with HTTP 503." == out.splitlines()[-1]


def test_a_result_may_go_where_nothing_can_be_cut_off(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe, a device; one that takes nothing is told in one sentence, and the table is there."""
    plan = Plan(2, 100, 0.3, 0.5, most_late_ms=1e6)
    assert 0 == run(server, plan, json_file="/dev/null")
    capsys.readouterr()
    assert 1 == run(server, plan, json_file="/dev/full")
    out, err = capsys.readouterr()
    assert "nothing went wrong" in out
    assert "earful: The result cannot be written: No space left on device.\n" == err


def test_refused_streams_are_a_failure(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a measurement that is no search."""
    assert 1 == run(server, Plan(8, 100, 0.3, 0.5, most_late_ms=1e6))
    assert "Failed: 2 refused with HTTP 503." == capsys.readouterr().out.splitlines()[-1]


def test_a_late_generator_is_said_plainly(server: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    """With a code of its own: the server may be better than that."""
    assert 3 == run(server, Plan(6, 100, 0.3, 0.5, most_late_ms=0.0))
    assert "Invalid: at 6 streams the generator itself was late" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("nowhere", {}, "nowhere is not an address of a server; write it as ws://127.0.0.1:8000."),
        ("me:secret@nowhere", {}, "***@nowhere is not an address of a server; write it as ws://127.0.0.1:8000."),
        (
            NOWHERE.replace("//", "//me:secret@") + "/x?token=secret",
            {},
            f"Nothing listens at {NOWHERE.replace('//', '//***@')}/x?token=***; start the server with `earful serve`.",
        ),
        (NOWHERE, {}, f"Nothing listens at {NOWHERE}/v1/transcribe/stream; start the server with `earful serve`."),
        (NOWHERE, {"wav": "missing.wav"}, "missing.wav cannot be read: No such file or directory."),
        (NOWHERE, {"wav": __file__}, f"{__file__} cannot be used: The WAV file cannot be read: "),
        (NOWHERE, {"json_file": "/nowhere/x"}, "/nowhere/x cannot be written: No such file or directory."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    url: str, options: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, nothing on stdout."""
    given = {"wav": None, "json_file": None, **options}
    assert 1 == bench(url, PLAN, find=False, **given)
    out, err = capsys.readouterr()
    assert ("", 1) == (out, err.count("\n"))
    assert err.startswith(f"earful: {said}")


def test_a_search_that_ends_in_a_failure_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The steps before it, and the sentence: from some time on nobody is let in."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth >= 3) as there:  # Who asks for its health, and the first two.
            code = await asyncio.to_thread(
                bench, f"{there.url}?token=secret", replace(PLAN, streams=2), wav=None, find=True, json_file=None
            )
            assert 1 == code
            said = f"No stream could be connected to {there.url}?token=***: 4 refused with HTTP 503."
            verdict = f"{said} 2 streams held a p99 of 10000 ms; more were not tried."
            assert verdict == capsys.readouterr().out.splitlines()[-1]

    in_time(main())


@pytest.mark.parametrize(("module", "factory"), [(uvloop, uvloop.new_event_loop), (None, asyncio.new_event_loop)])
def test_uvloop_is_used_where_there_is_one(module: object, factory: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is said where there is none."""
    monkeypatch.setitem(sys.modules, "uvloop", module)  # None forbids the import
    assert factory == loop_factory()
