"""Envoy's file, which nothing here runs: its shape, and that it fits earful's settings and the other balancers."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from tests.e2e.test_balancers import HIDDEN
from tests.support.server import ROOT

from earful.settings import Settings

FILE: Final = ROOT / "deploy" / "envoy.yaml"
ENCODED: Final = ".*%.*"
STREAM: Final = "/v1/transcribe/stream"


def seconds(duration: str) -> float:
    """As Envoy writes it."""
    return float(duration.removesuffix("s"))


def resources() -> dict[str, Any]:
    """Listener and cluster."""
    tree: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))["static_resources"]
    (listener,), (cluster,) = tree["listeners"], tree["clusters"]
    return {"listener": listener, "cluster": cluster}


def http() -> dict[str, Any]:
    """What the listener does with HTTP."""
    ((chain,),) = [[filters["filters"] for filters in resources()["listener"]["filter_chains"]]]
    config: dict[str, Any] = chain[0]["typed_config"]
    return config


def routes() -> dict[str, dict[str, Any]]:
    """By path, prefix or expression."""
    (host,) = http()["route_config"]["virtual_hosts"]
    matches = [(route["match"], route) for route in host["routes"]]
    return {
        match["safe_regex"]["regex"] if "safe_regex" in match else match.get("path") or match["prefix"]: route
        for match, route in matches
    }


def test_extensions_are_named_by_their_types() -> None:
    """As Envoy wants it of each: a name alone it refuses."""

    def untyped(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [found for item in node for found in untyped(item)]
        if not isinstance(node, dict):
            return []
        own = [node] if "typed_config" in node and "@type" not in node["typed_config"] else []
        return own + [found for item in node.values() for found in untyped(item)]

    assert [] == untyped(resources())
    assert {"upgrade_type": "websocket"} in http()["upgrade_configs"]


def test_a_workers_own_is_hidden() -> None:
    """As by the other balancers; routes are tried in turn, so it stands before what leads on."""
    known = routes()
    wanted = {path for _, path in HIDDEN if "%" not in path}
    hidden = {path: route["direct_response"]["status"] for path, route in known.items() if "direct_response" in route}
    assert dict.fromkeys([*wanted, ENCODED], 404) == hidden
    assert all(re.fullmatch(ENCODED, path) for _, path in HIDDEN if path not in wanted)
    assert "/" == list(known)[-1]


def test_every_route_leads_to_the_workers() -> None:
    """Which Envoy asks whether they are ready, soon enough for a drain."""
    cluster = resources()["cluster"]
    onward = [route["route"] for route in routes().values() if "route" in route]
    assert {cluster["name"]} == {route["cluster"] for route in onward}
    assert cluster["name"] == cluster["load_assignment"]["cluster_name"]
    (check,) = cluster["health_checks"]
    assert "/readyz" == check["http_health_check"]["path"]
    assert seconds(check["interval"]) <= 1 > seconds(check["no_traffic_interval"])


def test_silence_is_earfuls_to_judge() -> None:
    """Envoy's patience is longer than what a client may be silent, and a session has no other limit."""
    settings = Settings()
    idle_s = seconds(http()["stream_idle_timeout"])
    assert idle_s > max(settings.ping_interval_s + settings.ping_timeout_s, settings.stall_timeout_s)
    assert {"0s"} == {route["route"]["timeout"] for route in routes().values() if "route" in route}
    assert seconds(http()["request_headers_timeout"]) >= settings.handshake_timeout_s


def test_only_an_upgrade_is_tried_again() -> None:
    """An upload may have been heard before its answer was lost."""
    stream, other = routes()[STREAM]["route"]["retry_policy"], routes()["/"]["route"]["retry_policy"]
    assert [503] == stream["retriable_status_codes"]
    assert "connect-failure" == other["retry_on"]
