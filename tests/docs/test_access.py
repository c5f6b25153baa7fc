"""The page about who may come in: its authenticator is one, and lets in whom it should."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any

import pytest
from tests.access.keys import bearing, caller
from tests.docs.pages import ROOT, blocks

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import Admission, Caller, TenantLimits

SECRET = "0123456789abcdef"  # noqa: S105 - of tests
SIGNATURE = hmac.digest(SECRET.encode(), b"acme", "sha256").hex()


def asked(somebody: Caller) -> Admission | None:
    """What the page's authenticator says."""
    names: dict[str, Any] = {}
    exec(blocks(ROOT / "docs" / "access.md", "python")[0], names)  # noqa: S102 - as a reader runs it
    answer: Admission | None = asyncio.run(names["Signed"](secret=SECRET)(somebody))
    return answer


def test_who_is_signed_comes_in() -> None:
    """As whom the key says, with the limits of the page."""
    assert Admission("acme", TenantLimits(max_sessions=5)) == asked(bearing(f"acme/{SIGNATURE}"))


def test_who_brings_nothing_may_bring_it_with_start() -> None:
    """So nothing is said of it yet."""
    assert None is asked(caller())


@pytest.mark.parametrize("key", [f"globex/{SIGNATURE}", SIGNATURE, "acme/", "acme/\xe9", "x"])
def test_others_are_nobody(key: str) -> None:
    """Whatever they bring."""
    with pytest.raises(EarfulError) as caught:
        asked(bearing(key))
    assert ErrorCode.UNAUTHORIZED is caught.value.code
