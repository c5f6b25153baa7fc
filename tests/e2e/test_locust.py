"""locust without a window, as CI would run it: a hundred users, what its report tells, and its exit code."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from socket import create_server
from typing import TYPE_CHECKING

import pytest
from tests.support.server import ROOT, Address, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

# Coverage's tracer does not know greenlets.
ENV = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "bench" / "locustfile.py"), "--headless"]


def swarm(server: Address, report: Path, *flags: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and each line of the report by its name."""
    command = [*LOCUST, "--host", server.http, "--csv", str(report)]
    command += ["--stop-timeout", "20", "--only-summary", *flags]
    ended = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=110, check=False)
    assert "Traceback" not in ended.stderr
    with report.with_name(f"{report.name}_stats.csv").open(encoding="utf-8") as file:
        return ended.returncode, {line["Name"]: line for line in csv.DictReader(file)}


def test_a_hundred_users_for_half_a_minute(tmp_path: Path) -> None:
    """Nothing fails, and everything that is waited for has its line."""
    with running(mock_latency_ms=5) as server:
        flags = ["-u", "100", "-t", "30s", "--session-s", "8", "--chunk-ms", "200"]
        code, lines = swarm(server.address, tmp_path / "green", *flags)
    assert 0 == code, lines
    sessions = {"connect", "session", "last final after stop"}
    assert sessions | {"first partial", "partial lag", "final after end of speech", "upload", "Aggregated"} == set(
        lines
    )
    assert {"0"} == {line["Failure Count"] for line in lines.values()}
    assert int(lines["session"]["Request Count"]) >= 90
    assert int(lines["partial lag"]["Request Count"]) > 1000


def test_a_red_run_is_seen(tmp_path: Path) -> None:
    """Whoever is refused is a failure, and the exit code says so."""
    with running(mock_latency_ms=5, max_sessions=3) as server:
        code, lines = swarm(
            server.address, tmp_path / "red", "-u", "20", "-t", "4s", "--shape", "spike", "--session-s", "1"
        )
    assert 1 == code
    assert int(lines["connect"]["Failure Count"]) > 0
    assert 0 == int(lines["partial lag"]["Failure Count"])


def test_a_run_in_which_nobody_is_heard_is_red() -> None:
    """Also where it ends before anybody has waited too long."""
    with running(mock_latency_ms=30_000, overload_lag_ms=0, exit_code=None) as server:
        command = [*LOCUST, "--host", server.address.http, "-u", "9", "-t", "5s", "--only-summary"]
        ended = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=110, check=False)
        server.process.kill()  # It would still work on what nobody waits for.
    assert 1 == ended.returncode
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kinds", [(), ("Speaker",), ("Uploader",)])
def test_a_run_that_nothing_answers_is_red(kinds: tuple[str, ...], tmp_path: Path) -> None:
    """Whoever waits, and though nobody has waited too long yet."""
    with create_server(("127.0.0.1", 0)) as silent:
        there = Address(silent.getsockname()[1])
        code, lines = swarm(there, tmp_path / "silent", "-u", "10", "-t", "3s", "--stop-timeout", "0", *kinds)
    assert (1, {"Aggregated"}) == (code, set(lines))


@pytest.mark.parametrize(("kind", "awaited"), [("Speaker", "first partial"), ("Uploader", "upload")])
def test_a_run_of_one_kind_waits_for_nothing_else(kind: str, awaited: str, tmp_path: Path) -> None:
    """Who was never there is not missed."""
    with running(mock_latency_ms=5) as server:
        code, lines = swarm(server.address, tmp_path / "one", "-u", "3", "-t", "4s", "--session-s", "2", kind)
    assert 0 == code, lines
    assert int(lines[awaited]["Request Count"]) > 0


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--chunk-ms", "0", "0 is not from 20 to 1000"),
        ("--chunk-ms", "ten", "invalid int value: 'ten'"),
        ("--session-s", "nan", "nan is not from 0.1 to 14400"),
    ],
)
def test_a_flag_that_cannot_be_is_one_sentence(flag: str, value: str, said: str) -> None:
    """Before anybody speaks."""
    ended = subprocess.run([*LOCUST, flag, value], env=ENV, capture_output=True, text=True, timeout=60, check=False)
    assert 2 == ended.returncode
    assert f"argument {flag}: {said}" in ended.stderr
    assert "Traceback" not in ended.stderr
