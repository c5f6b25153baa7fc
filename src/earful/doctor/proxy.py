"""A proxy's configuration, HAProxy's or nginx's, against how long a client of earful may be silent, and a drain take.

Pure. Reads what is written, wherever it stands: of several values for one thing the shortest counts. Called by
`cli/doctor.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from earful.doctor.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.settings import Settings

NGINX_DEFAULT_S = 60.0
_UNITS_S: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN = re.compile(r"(?:\d+(?:us|ms|[smhdw])?)+")
_PART = re.compile(r"(\d+)(us|ms|[smhdw])?")
_COMMENT = re.compile(r"(?:^|\s)#.*")


def check_proxy(text: str, settings: Settings) -> Iterator[Finding]:
    """What is to be said of a configuration."""
    lines = [line for line in (_COMMENT.sub("", line).strip() for line in text.splitlines()) if line]
    if any(line.startswith(("proxy_pass", "server {", "http {", "upstream ")) for line in lines):
        yield from _nginx(lines, settings)
    elif any(re.match(r"(frontend|backend|listen|defaults)\b", line) for line in lines):
        yield from _haproxy(lines, settings)
    else:
        yield warn("proxy", "the file is neither HAProxy's configuration nor nginx's", "Name the file that is.")


def _haproxy(lines: list[str], settings: Settings) -> Iterator[Finding]:
    tunnel_s = _shortest_s(lines, "timeout tunnel", 1e-3)
    if tunnel_s is not None:
        yield _silence("timeout tunnel", tunnel_s, settings)
    else:
        for name in ("timeout client", "timeout server"):
            span_s = _shortest_s(lines, name, 1e-3)
            if span_s is not None:
                yield _silence(f"{name} (there is no timeout tunnel)", span_s, settings)
    yield from _end("hard-stop-after", _shortest_s(lines, "hard-stop-after", 1e-3), settings)


def _nginx(lines: list[str], settings: Settings) -> Iterator[Finding]:
    read_s = _shortest_s(lines, "proxy_read_timeout", 1.0)
    if read_s is None:
        yield _silence("proxy_read_timeout (nginx's default)", NGINX_DEFAULT_S, settings)
    else:
        yield _silence("proxy_read_timeout", read_s, settings)
    yield from _end("worker_shutdown_timeout", _shortest_s(lines, "worker_shutdown_timeout", 1.0), settings)
    if not any(line.startswith("proxy_set_header Upgrade") for line in lines):
        yield fail(
            "proxy upgrade",
            "no proxy_set_header Upgrade: WebSockets do not get through",
            "Set Upgrade and Connection, and proxy_http_version 1.1; deploy/nginx.conf shows how.",
        )


def _silence(name: str, span_s: float, settings: Settings) -> Finding:
    """A silent client is pinged and answers; one that is not read may be silent for longer."""
    what = f"{name} is {span_s:g} s"
    longest_s = settings.ping_interval_s + settings.ping_timeout_s
    if span_s <= settings.ping_interval_s:
        return fail(
            "proxy timeout",
            f"{what}: it cuts a silent client before earful pings it, every {settings.ping_interval_s:g} s",
            f"Set it to {_advised_s(settings):g} s, or lower ping_interval_s.",
        )
    if span_s < longest_s:
        return warn(
            "proxy timeout",
            f"{what}: a ping's answer may come {longest_s:g} s after the last word",
            f"Set it to {_advised_s(settings):g} s, or lower ping_interval_s or ping_timeout_s.",
        )
    if span_s < settings.stall_timeout_s:
        return warn(
            "proxy timeout",
            f"{what}: a client that waits for a busy model may be silent for {settings.stall_timeout_s:g} s",
            f"Set it to {_advised_s(settings):g} s, or lower stall_timeout_s.",
        )
    return ok("proxy timeout", f"{what}: longer than any client of earful's is silent")


def _end(name: str, span_s: float | None, settings: Settings) -> Iterator[Finding]:
    """After a reload an old proxy process keeps its sessions so long."""
    if span_s is None:
        return
    what = f"{name} is {span_s:g} s"
    if span_s >= settings.drain_s:
        yield ok("proxy reload", f"{what}: longer than a drain, {settings.drain_s:g} s")
    else:
        yield warn(
            "proxy reload",
            f"{what}: a reload cuts sessions sooner than a drain of {settings.drain_s:g} s would",
            f"Set it to {settings.drain_s:g} s or more.",
        )


def _advised_s(settings: Settings) -> float:
    return max(settings.stall_timeout_s * 1.5, settings.ping_interval_s + settings.ping_timeout_s)


def _shortest_s(lines: list[str], name: str, unit_s: float) -> float | None:
    """The shortest value of a directive in seconds; a number without a unit is in `unit_s`."""
    found = (re.match(rf"{name}\s+({_SPAN.pattern})\s*;?$", line) for line in lines)
    return min((_seconds(match[1], unit_s) for match in found if match), default=None)


def _seconds(span: str, unit_s: float) -> float:
    """`1m30s`, `500ms`, `30`."""
    return sum(int(number) * (_UNITS_S[unit] if unit else unit_s) for number, unit in _PART.findall(span))
