"""Keys in a file: whose they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.access.keys import ACME, GLOBEX, ROOT, bearing, caller, key_file
from tests.support.inside import Record

from earful.access import static
from earful.access.keyfile import digest_of
from earful.access.static import StaticKeys, StaticOptions
from earful.errors import EarfulError, ErrorCode
from earful.service.admission import Admission, TenantLimits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def keys(tmp_path: Path) -> StaticKeys:
    """Those of two tenants and an operator."""
    return StaticKeys(StaticOptions(file=str(key_file(tmp_path, acme="max_sessions=2"))), Record())


def test_a_key_is_its_tenants(keys: StaticKeys) -> None:
    """With the limits of its line."""
    assert Admission("acme", TenantLimits(2)) == asyncio.run(keys(bearing(ACME)))
    assert Admission("globex") == asyncio.run(keys(bearing(GLOBEX)))
    assert Admission("root", is_operator=True) == asyncio.run(keys(bearing(ROOT)))


@pytest.mark.parametrize("key", ["wrong", ACME[:-1], ACME + "x", ACME.upper(), "\xff", "x" * 20_000])
def test_a_wrong_key_is_nobodys(key: str, keys: StaticKeys) -> None:
    """However near it comes."""
    with pytest.raises(EarfulError) as refused:
        asyncio.run(keys(bearing(key)))
    assert ErrorCode.UNAUTHORIZED is refused.value.code


def test_without_a_key_nothing_is_said(keys: StaticKeys) -> None:
    """It may come with `start`."""
    assert None is asyncio.run(keys(caller()))


def test_the_whole_hash_is_compared(keys: StaticKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its beginning is that of a key."""
    known = digest_of(ACME)
    monkeypatch.setattr(static, "digest_of", lambda _: known[:-1] + bytes([known[-1] ^ 1]))
    with pytest.raises(EarfulError):
        asyncio.run(keys(bearing(ACME)))
