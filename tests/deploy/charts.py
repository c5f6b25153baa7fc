"""The rules, their unit tests and the dashboard as tests see them: queries, alerts, and what these name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
RULES_TEST = ROOT / "deploy" / "prometheus" / "rules_test.yml"
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "earful.json"
TARGET_LABELS = {"job", "instance"}
"""Those that Prometheus adds."""

_ALERT = re.compile(r"^ +- alert: (\w+)\n(.*?)(?=^ +- (?:alert|record|name):|\Z)", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r'^ +(expr|summary|runbook): "?(.*?)"?$', re.MULTILINE)
_SEVERITY = re.compile(r"severity: (critical|warning)")
_RECORD = re.compile(r"^ +- record: (\S+)\n +expr: (.*)$", re.MULTILINE)
_NAME = re.compile(r"(?<![\w:$])((?:earful|process|python)_\w+|up\b|job\w*:[\w:]+)(?:\{([^}]*)\})?")
_SELECTED = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)")
_GROUPED = re.compile(r"\b(?:by|without|on) \(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule."""

    name: str
    severity: str
    expr: str
    summary: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Use:
    """A metric that a query names, and the labels that it selects."""

    metric: str
    labels: frozenset[str]


def alerts() -> list[Alert]:
    """All alerting rules. Raises KeyError where one lacks a field, AttributeError where it has no severity."""
    return [_alert(name, body) for name, body in _ALERT.findall(RULES.read_text("utf-8"))]


def records() -> dict[str, str]:
    """Expressions of the recording rules, by name."""
    return dict(_RECORD.findall(RULES.read_text("utf-8")))


def panels() -> dict[str, list[str]]:
    """The dashboard's queries, by the title of their panel."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    return {
        panel["title"]: [target["expr"] for target in panel["targets"]]
        for panel in board["panels"]
        if panel["type"] != "row"
    }


def queries() -> list[str]:
    """Every query of rules and dashboard."""
    shown = [expr for exprs in panels().values() for expr in exprs]
    return [*records().values(), *(alert.expr for alert in alerts()), *shown]


def uses(query: str) -> Iterator[Use]:
    """The metrics that a query names, with the labels that it selects of each."""
    for metric, selector in _NAME.findall(query):
        yield Use(metric, frozenset(_SELECTED.findall(selector)) - TARGET_LABELS)


def grouped(query: str) -> set[str]:
    """The labels that it groups by."""
    found = {label.strip() for labels in _GROUPED.findall(query) for label in labels.split(",")}
    return found - TARGET_LABELS - {""}


def _alert(name: str, body: str) -> Alert:
    fields = dict(_FIELD.findall(body))
    severity = _SEVERITY.search(body)
    assert severity is not None, name
    return Alert(name, severity[1], fields["expr"], fields["summary"], fields["runbook"])
