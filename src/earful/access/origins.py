"""Which web pages may use the service: a list of origins, compared whole. Pure.

A browser sends the origin of its page with every upgrade, and no page can change it; what is no browser sends none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY_ORIGIN = "*"
_OWN_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The origins that are allowed; `null` (files, sandboxed frames) is one, where it is listed."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """`scheme://host:port`, where the scheme's own port says nothing; `*` allows all."""
        self._allowed = frozenset(_as_sent(origin.lower()) for origin in allowed)
        self.allows_all = ANY_ORIGIN in self._allowed

    def allow(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether this request's page may use the service, or it comes from no page."""
        if self.allows_all:
            return True
        return all(value.decode("latin-1").lower() in self._allowed for name, value in headers if name == b"origin")


def _as_sent(origin: str) -> str:
    """As a browser would send it, which leaves out the scheme's own port."""
    scheme, _, _ = origin.partition("://")
    return origin.removesuffix(_OWN_PORTS.get(scheme, ""))
