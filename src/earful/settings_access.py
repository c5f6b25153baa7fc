"""The settings of who may come in, a part of `Settings`, and what must hold between them. Pure.

Kept apart from the others for their number; `settings.py` reads and judges them together.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

if TYPE_CHECKING:
    from collections.abc import Iterator

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@,*]+")
_SPECIAL_ORIGINS = frozenset({"*", "null"})
_SPECIAL_PROXIES = frozenset({"*", "unix"})


def from_json(value: object) -> object:
    """Text as JSON; anything else as it is."""
    return json.loads(value) if isinstance(value, str) else value


class AccessSettings(BaseModel, frozen=True):
    """Whom to let in, and how much of it."""

    auth: str = Field(
        default="none",
        min_length=1,
        description="Who may come in: none (anybody), static (keys in a file), jwt (signed tokens; needs earful[jwt])"
        " or package.module:Class.",
    )
    auth_options: Annotated[dict[str, Any], BeforeValidator(from_json)] = Field(
        default_factory=dict, description="Keyword arguments of what auth names, as a JSON object."
    )
    allowed_origins: str = Field(
        default="*",
        min_length=1,
        description="Web pages that may use the service: origins (scheme://host, and :port where it is not"
        " the scheme's own) with commas between, or *.",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="Addresses and networks, with commas between, whose word for a client's address is believed;"
        " unix is whoever connects to a Unix socket, * everybody, empty nobody.",
    )
    max_handshakes_per_s: float = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Requests to come in, of streams and REST, that one address may make in a second; 0 is no limit.",
    )
    max_sessions_per_tenant: int | None = Field(
        default=None, ge=1, le=100_000_000, description="Sessions a tenant may have at all workers of the store."
    )
    max_new_sessions_per_s_per_tenant: float = Field(
        default=0, ge=0, le=1_000_000, description="Sessions a tenant may begin in a second there; 0 is no limit."
    )

    def origins(self) -> tuple[str, ...]:
        """The web pages that may use the service."""
        return _parts(self.allowed_origins)


def access_rules_of(settings: AccessSettings) -> Iterator[tuple[bool, str]]:
    """Each rule: whether it holds, and what is to be said where it does not, with the names of the settings in it."""
    yield (
        all(origin in _SPECIAL_ORIGINS or _ORIGIN.fullmatch(origin) for origin in settings.origins()),
        "allowed_origins must be origins such as https://example.org, without a path, with commas between; or *",
    )
    yield (
        all(map(_is_network, _parts(settings.trusted_proxies))),
        "trusted_proxies must be addresses, networks such as 10.0.0.0/8, or unix, with commas between; or *",
    )
    yield settings.auth != "none" or not settings.auth_options, "auth_options mean nothing while auth is none"


def _parts(listed: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part for one in listed.split(",") if (part := one.strip()))


def _is_network(text: str) -> bool:
    """Whether it is an address, a network whose address is its first, the Unix socket's end, or everybody."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return text in _SPECIAL_PROXIES
    return True
