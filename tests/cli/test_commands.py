"""The tree of commands: what `earful` itself answers, and that each command gets its arguments."""

from __future__ import annotations

import subprocess
import sys

import pytest

import earful
from earful.__main__ import main
from earful.bench.plan import Plan
from earful.cli import bench, config, doctor, drain, healthcheck, serve, top, wanted, why
from earful.cli.commands import run
from earful.cli.wanted import Wanted


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """One source."""
    assert 0 == run(["--version"])
    assert f"earful {earful.__version__}\n" == capsys.readouterr().out


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Serve too, though it has a way of its own."""
    assert 0 == run(["--help"])
    shown = capsys.readouterr().out
    assert all(
        command in shown
        for command in (
            "serve",
            "config",
            "doctor",
            "healthcheck",
            "transcribe",
            "drain",
            "bench",
            "plan",
            "top",
            "why",
        )
    )


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as is the custom."""
    assert 2 == run(["sevre"])
    assert "sevre" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "module"), [("serve", serve), ("config", config), ("doctor", doctor), ("healthcheck", healthcheck)]
)
def test_settings_are_passed_on(command: str, module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Untouched, `--help` too."""
    given: list[str] = []

    def record(arguments: list[str]) -> int:
        given.extend(arguments)
        return 3

    monkeypatch.setattr(module, command, record)
    assert 3 == run([command, "--port", "1", "--help"])
    assert ["--port", "1", "--help"] == given


def test_transcribe_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, with their defaults."""
    given: list[Wanted] = []

    def record(asked: Wanted) -> int:
        given.append(asked)
        return 0

    monkeypatch.setattr(wanted, "listen", record)
    named = ["--output", "o", "--jobs", "9", "--device", "d", "--url", "ws://x", "--token-file", "t"]
    flags = ["--fast", "--srt", "--vtt", "--json", "--upload", "--plain", "--force", "--mic"]
    assert 0 == run(["transcribe", "-", "--fast"])
    assert 0 == run(["transcribe", "a", "b", *flags, *named])
    everything = Wanted(
        ("a", "b"),
        ("ws://x",),
        output="o",
        jobs=9,
        device="d",
        fast=True,
        as_json=True,
        as_srt=True,
        as_vtt=True,
        uploads=True,
        plain=True,
        force=True,
        mic=True,
        token_file="t",  # noqa: S106 - a file's name
    )
    assert [Wanted(("-",), ("ws://127.0.0.1:8000",), fast=True), everything] == given


def test_flags_that_do_not_go_together_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the sentence."""
    assert 2 == run(["transcribe"])
    assert "Name a recording" in capsys.readouterr().err


def test_drain_gets_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's worker, where none is given."""
    given: list[str] = []

    def record(url: str) -> int:
        given.append(url)
        return 0

    monkeypatch.setattr(drain, "drain", record)
    assert [0, 0] == [run(["drain"]), run(["drain", "host:1"])]
    assert ["http://127.0.0.1:8000", "host:1"] == given


def test_why_gets_its_session_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's worker, where none is given."""
    given: list[object] = []

    def record(session: str, urls: list[str]) -> int:
        given.append((session, urls))
        return 0

    monkeypatch.setattr(why, "why", record)
    assert [0, 0] == [run(["why", "abc"]), run(["why", "abc", "--url", "a:1", "--url", "b:2"])]
    assert [("abc", ["http://127.0.0.1:8000"]), ("abc", ["a:1", "b:2"])] == given


@pytest.mark.parametrize("session", ["-abc", "-u", "--abc", "-"])
def test_why_takes_a_session_that_looks_like_a_flag(session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its options or behind them."""
    given: list[object] = []

    def record(session: str, urls: list[str]) -> int:
        given.append((session, urls))
        return 0

    monkeypatch.setattr(why, "why", record)
    assert [0, 0] == [run(["why", *words]) for words in ([session, "--url", "a:1"], ["--url", "a:1", session])]
    assert [(session, ["a:1"])] * 2 == given


def test_top_gets_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's worker, where none is given."""
    given: list[object] = []

    def record(urls: list[str], **options: object) -> int:
        given.append((urls, options))
        return 0

    monkeypatch.setattr(top, "top", record)
    assert [0, 0] == [run(["top"]), run(["top", "--url", "a:1", "--once", "--sessions", "3"])]
    assert [
        (["http://127.0.0.1:8000"], {"once": False, "most_sessions": 20}),
        (["a:1"], {"once": True, "most_sessions": 3}),
    ] == given


ALL_FLAGS = [
    *("--streams", "7", "--chunk-ms", "20", "--seconds", "1.5", "--warmup-s", "0", "--start", "--duty", "0.3"),
    *("--idle", "5", "--connect-rate", "50", "--pid", "9", "--p99-ms", "80", "--wav", "a.wav", "--find", "--json", "-"),
]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["bench"], ("ws://127.0.0.1:8000", Plan(), {"wav": None, "find": False, "json_file": None})),
        (
            ["bench", "http://host", *ALL_FLAGS],
            (
                "http://host",
                Plan(7, 20, 1.5, 0.0, start=True, duty=0.3, idle=5, connect_rate=50, pid=9, p99_ms=80),
                {"wav": "a.wav", "find": True, "json_file": "-"},
            ),
        ),
    ],
)
def test_bench_gets_a_plan(
    arguments: list[str], wanted: tuple[str, Plan, dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that was asked for; its defaults are the flags'."""
    given: list[object] = []

    def record(url: str, plan: Plan, **options: object) -> int:
        given.extend((url, plan, options))
        return 3

    monkeypatch.setattr(bench, "bench", record)
    assert 3 == run(arguments)
    assert list(wanted) == given


@pytest.mark.parametrize("flag", [["--chunk-ms", "19"], ["--streams", "0"], ["--duty", "0"], ["--seconds", "x"]])
def test_bench_refuses_what_cannot_be(flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the flag is named."""
    assert 2 == run(["bench", *flag])
    assert flag[0] in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "config"])
def test_the_entry_point_finds_the_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the short way and by the long one."""
    monkeypatch.setattr(sys, "argv", ["earful", command, "--port", "x"])
    assert 2 == main()


def test_it_runs_as_a_module() -> None:
    """`python -m earful` is the command."""
    command = [sys.executable, "-m", "earful", "--version"]
    assert f"earful {earful.__version__}\n" == subprocess.check_output(command, text=True, timeout=60)
