"""The Compose file: right in itself by Debian's docker-compose, and true to what it mounts, names and runs.

What is in the images of others is not known here: that they come up together has not been seen.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from tests.deploy.charts import CONFIG
from tests.support.prometheus import promtool
from tests.support.server import ROOT

from earful.settings import Settings
from earful.settings_sources import ENV_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = ROOT / "deploy" / "compose"
WORKERS: Final = ("worker1", "worker2")
_WITHIN_S = 30.0


def compose(**env: str) -> subprocess.CompletedProcess[str]:
    """What docker-compose makes of the file, without an `.env` that may lie beside it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    with tempfile.NamedTemporaryFile() as nothing:
        command = ["docker-compose", "--env-file", nothing.name, "-f", str(FOLDER / "compose.yaml"), "config"]
        env = {**kept, **env}
        return subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False, env=env)


@cache
def config() -> dict[str, Any]:
    """The file, complete."""
    done = compose(EARFUL_SECRET="s")  # noqa: S106 - guards nothing
    assert 0 == done.returncode, done.stderr
    tree: dict[str, Any] = yaml.safe_load(done.stdout)
    return tree


def mounts_of(service: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What lies where in a service; the Compose of 2020 says it in one word, that of today in several."""
    mounts = service.get("volumes", ())
    said = [mount.split(":") if isinstance(mount, str) else (mount["source"], mount["target"]) for mount in mounts]
    return [(source, target) for source, target, *_ in said]


def ports_of(service: Mapping[str, Any]) -> list[tuple[str, int]]:
    """On which address of the machine each port is, "" for all of them."""
    ports = service.get("ports", ())
    said = [(port.split(":")[0], port.split(":")[1]) if isinstance(port, str) else _told(port) for port in ports]
    return [(host, int(published)) for host, published in said]


def _told(port: Mapping[str, Any]) -> tuple[str, Any]:
    return port.get("host_ip", ""), port["published"]


def address_of(service: str) -> str:
    """Where it is on the network."""
    return str(config()["services"][service]["networks"]["earful"]["ipv4_address"])


def test_nothing_starts_without_a_secret() -> None:
    """Two workers that drew one each could not resume each other's sessions."""
    done = compose()
    assert done.returncode
    assert "EARFUL_SECRET" in done.stderr


def test_everything_is_there() -> None:
    """All services, and every file that one is given."""
    services = config()["services"]
    assert {*WORKERS, "haproxy", "redis", "prometheus", "grafana"} == services.keys()
    sources = [source for service in services.values() for source, _ in mounts_of(service)]
    files = [source for source in sources if source.startswith("/")]
    assert 6 == len(files)
    assert [] == [file for file in files if not Path(file).is_file()]


@pytest.mark.parametrize("worker", WORKERS)
def test_workers_are_as_they_should_be(worker: str) -> None:
    """Their settings are settings, they trust the proxy alone, may write nothing, and have the time to drain."""
    service, env = config()["services"][worker], config()["services"][worker]["environment"]
    settings = Settings.load({}, {name: value for name, value in env.items() if name.startswith(ENV_PREFIX)})
    assert address_of("haproxy") == settings.trusted_proxies
    assert (True, ["ALL"], ["/tmp"]) == (service["read_only"], service["cap_drop"], service["tmpfs"])  # noqa: S108 - its own
    assert float(service["stop_grace_period"].removesuffix("s")) > settings.drain_s
    assert "redis" == settings.store.get_secret_value().split("/")[2].split(":")[0]
    assert ROOT == Path(service["build"]["context"])
    assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_addresses_meet() -> None:
    """HAProxy's workers are the workers, at the port of the image, within the network."""
    env = config()["services"]["haproxy"]["environment"]
    assert [f"{address_of(worker)}:{Settings().port}" for worker in WORKERS] == [env["WORKER_1"], env["WORKER_2"]]
    (network,) = config()["networks"]["earful"]["ipam"]["config"]
    assert all(ip_address(address_of(one)) in ip_network(network["subnet"]) for one in (*WORKERS, "haproxy"))
    assert set(re.findall(r'"\$\{(\w+)\}"', (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8"))) == env.keys()


def test_only_transcription_is_for_all() -> None:
    """What looks at it listens on the machine itself."""
    ports = [port for service in config()["services"].values() for port in ports_of(service)]
    assert [8000] == [published for host, published in ports if not host]
    assert {"", "127.0.0.1"} == {host for host, _ in ports}


def test_prometheus_scrapes_each_worker(tmp_path: Path) -> None:
    """By itself, at its operations port; under the name that rules and dashboard know."""
    ours, theirs = (yaml.safe_load(path.read_text("utf-8")) for path in (FOLDER / "prometheus.yml", CONFIG))
    (job,), (known,) = ours["scrape_configs"], theirs["scrape_configs"]
    ports = {config()["services"][worker]["environment"]["EARFUL_OPS_PORT"] for worker in WORKERS}
    assert [f"{worker}:{port}" for worker in WORKERS for port in ports] == job["static_configs"][0]["targets"]
    assert known["job_name"] == job["job_name"]
    for source in (FOLDER / "prometheus.yml", ROOT / "deploy" / "prometheus" / "rules.yml"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_grafana_finds_source_and_dashboard() -> None:
    """Where Compose puts them."""
    (source,) = yaml.safe_load((FOLDER / "grafana-source.yml").read_text("utf-8"))["datasources"]
    (boards,) = yaml.safe_load((FOLDER / "grafana-boards.yml").read_text("utf-8"))["providers"]
    assert ("prometheus", "http://prometheus:9090") == (source["type"], source["url"])
    targets = [target for _, target in mounts_of(config()["services"]["grafana"])]
    assert f"{boards['options']['path']}/earful.json" in targets
