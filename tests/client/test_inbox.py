"""The queue of results: order, bound, end."""

from __future__ import annotations

import asyncio

from tests.support.clock import run_virtual, settle

from earful.client.inbox import Inbox


def test_items_come_in_order_and_then_the_end() -> None:
    """Those that are there when it is closed, too; the end again and again."""

    async def main() -> list[int | None]:
        inbox: Inbox[int] = Inbox(10)
        for item in (1, 2):
            await inbox.put(item)
        inbox.close()
        return [await inbox.take() for _ in range(4)]

    assert [1, 2, None, None] == run_virtual(main())


def test_who_puts_too_many_waits() -> None:
    """Until one is taken, or it is closed."""

    async def main() -> None:
        inbox: Inbox[int] = Inbox(1)
        await inbox.put(1)
        puts = [asyncio.create_task(inbox.put(item)) for item in (2, 3)]
        await settle()
        assert inbox.is_full
        assert [False, False] == [put.done() for put in puts]
        assert 1 == await inbox.take()
        await settle()
        assert [True, False] == [put.done() for put in puts]
        inbox.close()
        await asyncio.gather(*puts)
        assert [2, 3, None] == [await inbox.take() for _ in range(3)]

    run_virtual(main())


def test_a_take_that_is_cancelled_loses_nothing() -> None:
    """The next one gets what came."""

    async def main() -> None:
        inbox: Inbox[int] = Inbox(1)
        take = asyncio.create_task(inbox.take())
        await settle()
        await inbox.put(1)
        take.cancel()
        await asyncio.wait({take})
        assert 1 == await inbox.take()

    run_virtual(main())
