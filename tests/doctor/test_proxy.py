"""Proxies' configurations: the files that ship, and what can be wrong with others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.docs.pages import ROOT

from earful.doctor.finding import Grade
from earful.doctor.proxy import check_proxy
from earful.settings import Settings

UPGRADE = "proxy_set_header Upgrade $http_upgrade;\nproxy_pass http://workers;\n"


def grades(text: str, **settings: Any) -> list[tuple[str, Grade]]:
    """What is said of a configuration."""
    return [(finding.about, finding.grade) for finding in check_proxy(text, Settings(**settings))]


@pytest.mark.parametrize("name", ["haproxy.cfg", "nginx.conf"])
def test_what_ships_is_good(name: str) -> None:
    """For the settings' defaults; no longer for others."""
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    assert [("proxy timeout", Grade.OK), ("proxy reload", Grade.OK)] == grades(text)
    assert [("proxy timeout", Grade.WARN), ("proxy reload", Grade.WARN)] == grades(
        text, stall_timeout_s=600, drain_s=60
    )


@pytest.mark.parametrize(
    ("line", "grade"),
    [
        ("timeout tunnel 20000", Grade.FAIL),
        ("timeout tunnel 20s", Grade.FAIL),
        ("timeout tunnel 39s", Grade.WARN),
        ("timeout tunnel 119s", Grade.WARN),
        ("timeout tunnel 2m", Grade.OK),
        ("timeout tunnel 1h\n timeout tunnel 5s  # of another backend", Grade.FAIL),
        ("timeout client 1m30s", Grade.WARN),
        ("timeout client 15s\ntimeout tunnel 1h", Grade.OK),
    ],
)
def test_haproxy(line: str, grade: Grade) -> None:
    """Numbers are ms; the shortest counts; without a tunnel's, the client's and the server's do."""
    assert [("proxy timeout", grade)] == grades(f"defaults\n  {line}\nfrontend f\n")


def test_haproxys_two_sides_count_both() -> None:
    """Where nothing is said of tunnels."""
    found = grades("listen f\ntimeout client 10s\ntimeout server 1h\n")
    assert [("proxy timeout", Grade.FAIL), ("proxy timeout", Grade.OK)] == found


@pytest.mark.parametrize(
    ("lines", "grade"),
    [
        ("", Grade.WARN),
        ("proxy_read_timeout 10;", Grade.FAIL),
        ("proxy_read_timeout 3m;", Grade.OK),
        ("# proxy_read_timeout 1s;\nproxy_read_timeout 1h;", Grade.OK),
    ],
)
def test_nginx(lines: str, grade: Grade) -> None:
    """Numbers are seconds; without a word a minute."""
    assert [("proxy timeout", grade)] == grades(UPGRADE + lines)


def test_nginx_without_an_upgrade() -> None:
    """Lets no WebSocket through."""
    assert [("proxy timeout", Grade.OK), ("proxy upgrade", Grade.FAIL)] == grades(
        "proxy_read_timeout 1h;\nproxy_pass http://workers;"
    )


def test_another_file_is_told_as_that() -> None:
    """Nothing is concluded from it."""
    assert [("proxy", Grade.WARN)] == grades("hello: world\n")


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """Without an exception."""
    for kind in ("frontend f\n", UPGRADE):
        assert all(isinstance(grade, Grade) for _, grade in grades(kind + text))
