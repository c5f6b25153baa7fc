"""The settings among themselves, and a service's health."""

from __future__ import annotations

from typing import Any

import pytest

from earful.doctor.service import Health, check_health, check_settings
from earful.settings import Settings

LONG = "x" * 32


@pytest.mark.parametrize(
    ("settings", "is_shared", "grades"),
    [
        ({}, False, []),
        ({"workers": 2}, False, [("secret", "warn"), ("shared store", "warn")]),
        ({}, True, [("secret", "fail")]),
        ({"secret": LONG, "workers": 4}, True, [("secret", "ok")]),
        ({"secret": LONG, "workers": 4}, False, [("secret", "ok"), ("shared store", "warn")]),
        ({"secret": f"{LONG},short"}, True, [("secret", "warn")]),
    ],
)
def test_settings(settings: dict[str, Any], grades: list[tuple[str, str]], *, is_shared: bool) -> None:
    """What several workers, or machines, need to go on with each other's sessions."""
    assert grades == [(one.about, one.grade) for one in check_settings(Settings(**settings), is_shared=is_shared)]


@pytest.mark.parametrize(
    ("health", "grades"),
    [
        (Health("ok", 3, "service", "1"), [("service", "ok")]),
        (Health("degraded", 3, "worker", "1", "away"), [("service", "ok"), ("service", "fail")]),
        (Health("draining", 3, "worker", "1"), [("service", "warn")]),
        (Health("ok", 3, "worker", "2"), [("service", "ok"), ("version", "warn")]),
        (None, [("service", "fail")]),
    ],
)
def test_health(health: Health | None, grades: list[tuple[str, str]]) -> None:
    """Of a service that answers, and of one that does not."""
    found = list(check_health("http://host", health, "Nothing answers; is it there?", "1"))
    assert grades == [(one.about, one.grade) for one in found]
    assert health is not None or found[0].what == "Nothing answers"
