"""A secret is nowhere: one distinct word as every secret there is, through every place that prints."""

from __future__ import annotations

import json
import signal
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.test_cli import run
from tests.support.raw import RawSocket
from tests.support.server import STORE_AWAY, running

from earful.app import build
from earful.settings import Settings
from earful.telemetry.logs import open_log

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

HUSH = "hush-7f3a"
STORE = f"redis://me:{HUSH}@127.0.0.1:1/0"
OPTIONS = json.dumps({"api_key": HUSH})
TOKEN = f"ws://me:{HUSH}@127.0.0.1:1?token={HUSH}"


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["config"], {"EARFUL_SECRET": HUSH, "EARFUL_STORE": STORE}),
        (["config", "--json"], {"EARFUL_SECRET": HUSH, "EARFUL_STORE": STORE}),
        (["config", "--json", "--model", "a:B", "--model-options", OPTIONS], {}),
        (["config", "--markdown"], {"EARFUL_SECRET": HUSH}),
        (["doctor"], {"EARFUL_SECRET": HUSH, "EARFUL_STORE": STORE}),
        (["doctor", "--json", "--url", TOKEN], {"EARFUL_SECRET": HUSH, "EARFUL_STORE": STORE}),
        (["serve"], {"EARFUL_SECRET": f"{HUSH},"}),
        (["serve"], {"EARFUL_STORE": f"redis://:{HUSH}@"}),
        (["serve"], {"EARFUL_STORE": f"redis://:{HUSH}@a:1/0?nothing={HUSH}"}),
        (["serve", "--model", "a:B", "--model-options", OPTIONS], {}),
        (["serve", "--model-options", OPTIONS], {}),
        (["serve", "--model-options", OPTIONS[:-1]], {}),
        (["top", "--once", "--url", TOKEN], {}),
        (["why", "session", "--url", TOKEN], {}),
        (["drain", TOKEN], {}),
        (["bench", TOKEN], {}),
        (["transcribe", "-", "--url", TOKEN], {}),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else ",".join(value),
)
def test_no_command_prints_it(arguments: list[str], env: dict[str, str]) -> None:
    """Neither where it is used nor where it cannot be."""
    done = run(*arguments, env=env)
    assert done.stdout + done.stderr
    assert HUSH.encode() not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "text", [f'secret = "{HUSH},"', f'secret = ["{HUSH}"]', f'store = "redis://:{HUSH}@"', f'secret = "{HUSH}']
)
def test_no_complaint_about_a_file_has_it(tmp_path: Path, text: str) -> None:
    """Not even where the file is none."""
    (tmp_path / "earful.toml").write_text(text, "utf-8")
    done = run("serve", "--config", str(tmp_path / "earful.toml"))
    assert 2 == done.returncode
    assert HUSH.encode() not in done.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_no_log_and_no_answer_has_it(tmp_path: Path, workers: int) -> None:
    """At the most talkative level, with a store that is away, through sessions, stacks and a new secret."""
    file = tmp_path / "secret"
    file.write_text(HUSH, "utf-8")
    settings: dict[str, Any] = {"secret_file": file, "workers": workers, "log_level": "debug"}
    answers = []
    with running(allowed={STORE_AWAY}, env={"EARFUL_STORE": STORE}, **settings) as server:
        server.log.wait_for(STORE_AWAY)
        raw = RawSocket(server.address).upgrade()
        raw.say("start")
        answers += [json.dumps(raw.hear_until("started"))]
        paths = ("/v1/health", "/v1/metrics", "/metrics", "/v1/sessions", "/v1/workers", "/openapi.json")
        answers += [server.address.request("GET", path).body.decode() for path in paths]
        server.signal(signal.SIGUSR1)
        file.write_text(f"{HUSH}-new,{HUSH}", "utf-8")
        server.signal(signal.SIGHUP)
        server.log.wait_for("settings read anew")
        raw.close()
    assert HUSH not in "\n".join([server.log.text, server.out.text, *answers])


def fail(settings: Settings) -> None:
    """Be a frame with the settings in it."""
    raise RuntimeError(settings)


def test_no_object_and_no_traceback_shows_it() -> None:
    """Settings and what is built of them, with the local variables of every frame."""
    settings = Settings.load({"secret": HUSH, "store": STORE}, {})
    service = build(settings, open_log("error", "json"), lambda: None)
    shown = [repr(settings), str(settings), settings.model_dump_json(), repr(service), repr(service.registry.seal)]
    with pytest.raises(RuntimeError) as caught:
        fail(settings)
    shown += traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert HUSH not in "".join(shown)
