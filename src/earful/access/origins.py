"""Which web pages may use the service: a list of origins, compared whole. Pure.

A browser sends the origin of its page with every upgrade, and no page can change it; what is no browser sends none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY_ORIGIN = "*"


class Origins:
    """The origins that are allowed; `null` (files, sandboxed frames) is one, where it is listed."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """`scheme://host`, with the port where it is not the scheme's; `*` allows all."""
        self._allowed = frozenset(origin.lower() for origin in allowed)
        self.allows_all = ANY_ORIGIN in self._allowed

    def allow(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether this request's page may use the service, or it comes from no page."""
        if self.allows_all:
            return True
        return all(value.decode("latin-1").lower() in self._allowed for name, value in headers if name == b"origin")
