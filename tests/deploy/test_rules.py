"""Rules and dashboard: right in themselves, each alert tested and explained."""

from __future__ import annotations

import json
import re

import pytest
from tests.deploy.charts import CONFIG, DASHBOARD, RULES, RULES_TEST, Alert, Use, alerts, grouped, panels, records, uses
from tests.docs.pages import slugs
from tests.support.prometheus import promtool
from tests.support.server import ROOT

ALERTS = alerts()
RUNBOOK = ROOT / "docs" / "runbook" / "alerts.md"


def test_promtool_takes_the_rules_and_the_example() -> None:
    """All of them are read here, too: none is missed by the patterns of these tests."""
    said = promtool("check", "rules", str(RULES))
    assert f"{len(ALERTS) + len(records())} rules found" in said
    promtool("check", "config", str(CONFIG))


def test_alerts_fire_when_they_should() -> None:
    """And are silent before."""
    assert "SUCCESS" in promtool("test", "rules", str(RULES_TEST))


def test_every_alert_is_tested() -> None:
    """Silent and firing."""
    fires = r'exp_samples: \[\{ labels: .ALERTS\{alertname="(\w+)"'
    tested = re.findall(fires, RULES_TEST.read_text("utf-8"))
    assert {alert.name for alert in ALERTS} == set(tested)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_has_its_section(alert: Alert) -> None:
    """Where its link leads there is a heading of its name."""
    path, _, slug = alert.runbook.partition("#")
    assert alert.name.lower() == slug
    assert slug in slugs(ROOT / path)
    assert alert.summary


def test_every_section_has_its_alert() -> None:
    """None is left of an alert that went."""
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    assert sorted(alert.name for alert in ALERTS) == sorted(headings)


def test_the_dashboard_shows_what_operators_ask_for() -> None:
    """Panels have titles of their own, no two lie on one another, and every query is for the chosen job."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    assert len(panels()) == sum(panel["type"] != "row" for panel in board["panels"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(places) == len(set(places))
    assert [] == [expr for exprs in panels().values() for expr in exprs if 'job="$job"' not in expr]


def test_what_a_query_names_is_found() -> None:
    """Metrics with what they select and group by; functions, durations and variables are none."""
    query = 'sum by (job, code) (rate(earful_a_total{code!="x", job="$job"}[5m])) / on (job) up + job:earful_b:sum'
    found = [Use("earful_a_total", frozenset({"code"})), Use("up", frozenset()), Use("job:earful_b:sum", frozenset())]
    assert (found, {"code"}) == (list(uses(query)), grouped(query))
