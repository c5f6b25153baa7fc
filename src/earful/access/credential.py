"""Where a caller may put its key or token: headers, a subprotocol, `start`, and only if that is wished for, the query.

Guarantees that what it gives is of bounded length. Used by the authenticators that ship.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.service.admission import Caller

LONGEST_CREDENTIAL = 16_384
"""Characters; as many as the `token` of `start` may have. What is longer is nobody's."""
SUBPROTOCOL_PREFIX = "earful.key."
"""What a browser, which can set no header, may offer beside `earful.v1`; it is never selected."""
QUERY_FIELD = "token"


def credential_of(caller: Caller, *, in_query: bool = False) -> str | None:
    """What the caller would be known by, the first that is found; None where it brings none.

    `token` of `start`, `Authorization: Bearer`, `x-api-key`, a subprotocol `earful.key.KEY`, then, if `in_query`,
    `?token=`.
    """
    found = next((one for one in _offered(caller, in_query=in_query) if one), None)
    return found if found is None or len(found) <= LONGEST_CREDENTIAL else ""


def _offered(caller: Caller, *, in_query: bool) -> Iterator[str]:
    yield caller.token
    for scheme, _, value in (text.partition(" ") for text in _values(caller, b"authorization")):
        if scheme.lower() == "bearer":
            yield value.strip()
    yield from _values(caller, b"x-api-key")
    for offered in _values(caller, b"sec-websocket-protocol"):
        protocols = (protocol.strip() for protocol in offered.split(","))
        yield from (one.removeprefix(SUBPROTOCOL_PREFIX) for one in protocols if one.startswith(SUBPROTOCOL_PREFIX))
    if in_query:
        yield from caller.query.get(QUERY_FIELD, ())


def _values(caller: Caller, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1").strip() for key, value in caller.headers if key == name)
