"""The id of a new session or upload.

Guarantees 128 bits that nobody can guess, and that it can be given to a command as it is. Drawn by `registry.py` and
`upload_account.py`.
"""

from __future__ import annotations

import secrets


def drawn_id() -> str:
    """22 of the characters A to Z, a to z, 0 to 9, - and _; no - in front, where a command would take it for a flag."""
    drawn = secrets.token_urlsafe(16)
    while drawn.startswith("-"):
        drawn = secrets.token_urlsafe(16)
    return drawn
