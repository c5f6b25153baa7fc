"""The file of keys: one line a key, with its tenant and the SHA-256 of it, so that who reads the file has none.

A line is `TENANT sha256:HASH`, then perhaps `max_sessions=N`, `max_new_sessions_per_s=N`, `operator`. `#` begins a
comment. `earful key` writes such a line.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, TypeAlias

from earful.access.authenticator import TENANT
from earful.service.admission import Admission, TenantLimits

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "earful_"
"""Of each key that is drawn, so that who finds one knows what it is."""
_DRAWN_BYTES = 32
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_MOST = re.compile(r"max_sessions=([0-9]{1,9})")
_RATE = re.compile(r"max_new_sessions_per_s=([0-9]{1,9}(?:\.[0-9]{1,6})?)")

Keys: TypeAlias = "dict[bytes, Admission]"
"""By the SHA-256 of the key, as whom its holder comes in."""


def drawn_key() -> str:
    """A new key, of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_DRAWN_BYTES)


def digest_of(key: str) -> bytes:
    """What the file has of a key. Fast on purpose: no key that is drawn can be guessed, however fast one guesses."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def line_of(tenant: str, key: str) -> str:
    """The file's line for a key of this tenant."""
    return f"{tenant} sha256:{digest_of(key).hex()}"


def read_keys(text: str) -> Keys:
    """The keys of a file. Raises ValueError, which names the line and quotes nothing of it."""
    keys: Keys = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        digest, admission = _read_line(number, words)
        if digest in keys:
            raise ValueError(f"line {number} has a key that stands in a line before")
        keys[digest] = admission
    return keys


def _read_line(number: int, words: list[str]) -> tuple[bytes, Admission]:
    tenant, *rest = words
    hashed = _HASH.fullmatch(rest[0]) if rest else None
    if not TENANT.fullmatch(tenant) or hashed is None:
        raise ValueError(f"line {number} is not a tenant and sha256: with 64 hexadecimal digits")
    limits, is_operator = _read_rest(number, rest[1:])
    return bytes.fromhex(hashed[1]), Admission(tenant, limits, is_operator=is_operator)


def _read_rest(number: int, words: Iterable[str]) -> tuple[TenantLimits, bool]:
    most: int | None = None
    rate_per_s: float | None = None
    is_operator = False
    for word in words:
        if found := _MOST.fullmatch(word):
            most = int(found[1])
        elif found := _RATE.fullmatch(word):
            rate_per_s = float(found[1])
        elif word == "operator":
            is_operator = True
        else:
            raise ValueError(f"line {number} has more than max_sessions=N, max_new_sessions_per_s=N and operator")
    if rate_per_s == 0:  # No limit as a setting, and meant the other way round by whoever writes it here.
        raise ValueError(f"line {number} has max_new_sessions_per_s=0; to let nobody in, say max_sessions=0")
    return TenantLimits(most, rate_per_s), is_operator
