"""Debian's Prometheus: promtool for what is written, and the server itself on a free port of 127.0.0.1.

Guarantees that the server is gone when its scope ends. Waits have deadlines.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.redis_server import free_port
from tests.support.server import Address, await_true

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PATIENCE_S = 10.0


def promtool(*arguments: str, text: str | bytes = "") -> str:
    """What promtool says, with `text` as its input; AssertionError where it is not content."""
    data = text.encode() if isinstance(text, str) else text
    run = subprocess.run(["promtool", *arguments], input=data, capture_output=True, timeout=PATIENCE_S, check=False)  # noqa: S607 - Debian's
    said = (run.stdout + run.stderr).decode()
    assert 0 == run.returncode, said
    return said


@contextmanager
def prometheus(folder: Path, rules: Path, targets: Sequence[Address]) -> Iterator[Address]:
    """A server that scrapes these and evaluates these rules once a second."""
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": "earful", "static_configs": [{"targets": [f"{one.host}:{one.port}" for one in targets]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), "utf-8")  # JSON is YAML
    address = Address(free_port())
    process = subprocess.Popen(
        [  # noqa: S607 - Debian's
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address.host}:{address.port}",
            "--log.level=error",
        ]
    )
    try:
        await_true(lambda: _is_ready(address), PATIENCE_S)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def values(server: Address, query: str) -> dict[str, float]:
    """What a query gives now, by instance."""
    answer = server.get(f"/api/v1/query?query={urllib.parse.quote(query)}")
    return {one["metric"].get("instance", ""): float(one["value"][1]) for one in answer["data"]["result"]}


def firing(server: Address) -> set[str]:
    """The names of the alerts that fire now."""
    alerts: list[dict[str, Any]] = server.get("/api/v1/alerts")["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def _is_ready(address: Address) -> bool:
    with contextlib.suppress(OSError):
        return address.request("GET", "/-/ready").status == 200
    return False
