"""What may be told of a client's `language`: a tag of BCP 47 up to its region, and nothing else that was put there.

Guarantees that no text of a client's own making, a token for one, passes. The `Account` asks before it logs. Pure.
"""

from __future__ import annotations

import re

OTHER = "other"
"""Stands for what has not the shape of a tag."""
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?")
"""Language, script and region (RFC 5646, section 2.1), joined by `_` as well, as many do. Variants are left out: they
may be anything of eight characters."""


def tag_of(language: str | None) -> str | None:
    """The language where it has the shape of a tag, `other` where not; None where there is none."""
    return language if language is None or _TAG.fullmatch(language) else OTHER
