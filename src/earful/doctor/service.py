"""The settings among themselves where several workers serve, and a running service that was asked how it is.

Pure. Called by `cli/doctor.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from earful.doctor.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.settings import Settings

_SHORT_SECRET_BYTES = 16


class Health(msgspec.Struct, frozen=True):
    """What of `/v1/health` is looked at."""

    status: str
    active_sessions: int
    scope: str
    version: str
    store: str | None = None


def check_settings(settings: Settings, *, is_shared: bool) -> Iterator[Finding]:
    """Whether workers can go on with each other's sessions, and know of them; `is_shared` is the store."""
    secrets = settings.secrets()
    if not secrets and (is_shared or settings.workers > 1):
        told = fail if is_shared else warn
        yield told(
            "secret",
            "none is set: only the workers of one `earful serve`, until it ends, can go on with each other's sessions",
            "Set EARFUL_SECRET to the same for all, at least 16 random bytes: openssl rand -hex 32.",
        )
    elif any(len(secret) < _SHORT_SECRET_BYTES for secret in secrets):
        yield warn("secret", "it is short enough to be guessed", "Draw one: openssl rand -hex 32.")
    elif secrets:
        yield ok("secret", "it is set; it must be the same on all machines")
    if settings.workers > 1 and not is_shared:
        yield warn(
            "shared store",
            f"{settings.workers} workers without one count, limit and list their own sessions only",
            "Set EARFUL_STORE=redis://..., if that matters.",
        )


def check_health(url: str, health: Health | None, why_not: str, version: str) -> Iterator[Finding]:
    """What a running service answered; None where it did not, and why."""
    if health is None:
        yield fail("service", why_not.partition(";")[0].rstrip("."), "Start it, or name another --url.")
        return
    if health.status in {"ok", "degraded"}:
        yield ok("service", f"{url} is {health.status}, with {health.active_sessions} session(s) of the {health.scope}")
    else:
        yield warn("service", f"{url} is {health.status}", "It wants no traffic now; wait, or look at its log.")
    if health.store == "away":
        yield fail("service", "its store is away", "See the store above, from this machine; its log has the cause.")
    if health.version != version:
        yield warn("version", f"it runs {health.version}, this is {version}", "Take the doctor of the same release.")
