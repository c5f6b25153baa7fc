"""`earful doctor`: what it looks at, how it tells it, and its exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.docs.pages import ROOT
from tests.support.answering import answering
from tests.support.redis_server import running_redis

import earful
from earful.cli.doctor import doctor

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HEALTH = {"status": "ok", "active_sessions": 3, "scope": "worker", "version": earful.__version__, "worker": {}}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings."""
    code = doctor([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_machine_that_will_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing fails; this machine is looked at, and the settings."""
    code, findings = told(capsys, "--max-sessions", "10")
    assert 0 == code
    assert {"about", "grade", "what", "advice"} == findings[0].keys()
    assert "open files" == findings[0]["about"]


def test_all_there_is_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    """The store, the proxy's file and the service, each where it was named."""
    config = str(ROOT / "deploy" / "haproxy.cfg")
    with running_redis() as redis, answering({"/v1/health": HEALTH}) as url:
        code, findings = told(
            capsys, "--secret", "x" * 32, "--store", redis.url, "--proxy-config", config, "--url", url
        )
    assert 0 == code
    assert {"secret", "store", "clock", "proxy timeout", "service"} <= {finding["about"] for finding in findings}


def test_what_fails_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """A reader gets a line a finding, and what to do below it."""
    assert 1 == doctor(["--url", "127.0.0.1:1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(("ok   open files", "fail open files"))
    assert "fail service" == " ".join(lines[-2].split()[:2])
    assert lines[-2].endswith("Nothing answers at http://127.0.0.1:1/v1/health.")
    assert "Start it, or name another --url." == lines[-1].strip()


def test_a_service_that_drains_answers_too(capsys: pytest.CaptureFixture[str]) -> None:
    """With 503."""
    with answering({"/v1/health": (503, HEALTH | {"status": "draining"})}) as url:
        code, findings = told(capsys, "--url", url)
    assert (0, "warn") == (code, findings[-1]["grade"])


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that do not fit, and a file that is not there."""
    assert 2 == doctor(["--workers", "0"])
    assert capsys.readouterr().err.startswith("earful: workers is '0'")
    assert 2 == doctor(["--proxy-config", str(tmp_path / "none")])
    assert "No such file" in capsys.readouterr().err
