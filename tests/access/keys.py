"""Files of keys, tokens and callers, as the tests of access want them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt

from earful.access.keyfile import line_of
from earful.service.admission import Caller

if TYPE_CHECKING:
    from pathlib import Path

ACME, GLOBEX, ROOT = "earful_acme-key", "earful_globex-key", "earful_root-key"
SECRET = "a secret of thirty-two bytes, or more"  # noqa: S105 - of tests
PATH = "/v1/transcribe/stream"


def key_file(folder: Path, **rest: str) -> Path:
    """A file with the keys of two tenants and an operator; `rest` is what stands behind a tenant's hash."""
    file = folder / "keys"
    holders = {"acme": ACME, "globex": GLOBEX, "root": ROOT}
    told = {"root": "operator", **rest}
    file.write_text("\n".join(f"{line_of(name, key)} {told.get(name, '')}" for name, key in holders.items()), "utf-8")
    return file


def token_of(secret: Any = SECRET, algorithm: str = "HS256", *, lives_s: float = 86_400, **claims: Any) -> str:
    """A token of `acme`, unless the claims say otherwise; one of None is left out.

    It outlives the tests, which are collected long before the last of them runs.
    """
    said = {"tenant": "acme", "exp": time.time() + lives_s, **claims}
    return jwt.encode({name: value for name, value in said.items() if value is not None}, secret, algorithm)


def caller(
    *headers: tuple[str, str], token: str = "", query: str = "", peer: str = "192.0.2.7", is_stream: bool = True
) -> Caller:
    """Somebody with these headers; `query` is the value of `?token=`."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Caller(PATH, raw, {"token": [query]} if query else {}, peer, token, is_stream)


def bearing(credential: str) -> Caller:
    """Somebody with this credential in the usual place."""
    return caller(("authorization", f"Bearer {credential}"))


def options(**given: Any) -> str:
    """`auth_options` as the environment has them."""
    return json.dumps(given)
