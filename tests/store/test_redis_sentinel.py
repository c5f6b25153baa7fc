"""Behind real sentinels: the directory follows its master to another server, and does not go back to the old one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest
from tests.store.rig import LEASE_S, claim, entry, report
from tests.support.redis_server import running_sentinels

from earful.store.address import StoreAddress
from earful.store.directory import StoreUnavailableError
from earful.store.keys import note_key
from earful.store.redis import RedisDirectory
from earful.store.values import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.support.redis_server import Sentinels

T = TypeVar("T")
ASK_EVERY_S = 0.05
FAILOVER_WITHIN_S = 12.0


@pytest.fixture
def sentinels() -> Iterator[Sentinels]:
    """A master, a replica, three sentinels."""
    with running_sentinels() as sentinels:
        yield sentinels


async def at_last(ask: Callable[[], Awaitable[T]]) -> T:
    """What a call gives at last, asked again and again until it goes well."""
    async with asyncio.timeout(FAILOVER_WITHIN_S):
        while True:
            try:
                return await ask()
            except StoreUnavailableError:
                await asyncio.sleep(ASK_EVERY_S)


def test_a_master_that_hangs_is_replaced(sentinels: Sentinels) -> None:
    """What was noted is noted with its successor; the old one comes back and is not asked. A sentinel hangs, too."""
    sentinels.sentinels[0].freeze()

    async def main() -> None:
        directory = RedisDirectory(StoreAddress.parse(sentinels.url), "one", lease_s=LEASE_S)
        assert Verdict.GRANTED == await at_last(lambda: directory.claim(claim("s", 1)))
        assert (await at_last(lambda: directory.exchange(report(entry("s", 1), acme=1)))).forgot
        old, new = sentinels.data
        old.ask("WAIT", 1, 1000)
        old.freeze()
        with pytest.raises(StoreUnavailableError):
            await directory.claim(claim("s", 2))
        assert not (await at_last(lambda: directory.exchange(report(acme=1)))).forgot
        assert "master" == new.ask("ROLE")[0]
        old.thaw()
        assert Verdict.SUPERSEDED == await at_last(lambda: directory.claim(claim("s", 1)))
        assert Verdict.GRANTED == await at_last(lambda: directory.claim(claim("s", 3)))
        assert [False, True] == [server.ask("HGET", note_key("s"), "attempt") == "3" for server in (old, new)]
        assert ["s"] == [listed.entry.session_id for listed in await at_last(lambda: directory.page("", 10, None))]
        await directory.close()

    asyncio.run(main())
