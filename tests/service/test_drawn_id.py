"""Ids of sessions and uploads."""

from __future__ import annotations

import re

from earful.service.drawn_id import drawn_id


def test_an_id_can_be_given_to_a_command() -> None:
    """None of so many looks like a flag, or needs quoting, or is there twice."""
    drawn = {drawn_id() for _ in range(2000)}
    assert 2000 == len(drawn)
    assert [] == [name for name in drawn if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", name)]
