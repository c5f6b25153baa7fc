"""The contract of a directory, over memory and a real Redis: claims, ends, notices, and noting again."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.store.rig import EXPIRES_S, Rig, claim, entry, play, report

from earful.store.values import Ended, Notice, Verdict

GRANTED, SUPERSEDED, ENDED = Verdict.GRANTED, Verdict.SUPERSEDED, Verdict.ENDED
LARGEST = 2**53 - 1


def test_attempts_rise(rig: Rig) -> None:
    """A claim is granted where its attempt is larger than the noted one; else it changes nothing."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        assert GRANTED == await one.claim(claim("s"))
        assert SUPERSEDED == await one.claim(claim("s"))
        assert GRANTED == await other.claim(claim("s", 7))
        assert [SUPERSEDED] * 3 == [await one.claim(claim("s", attempt)) for attempt in (0, 6, 7)]
        assert GRANTED == await one.claim(claim("s", LARGEST - 1))
        assert GRANTED == await other.claim(claim("s", LARGEST))
        assert [SUPERSEDED] * 2 == [await one.claim(claim("s", attempt)) for attempt in (LARGEST - 1, LARGEST)]

    play(rig, scenario)


def test_one_winner_an_attempt(rig: Rig) -> None:
    """Two workers with two claims each, a thousand times, in any order: one is granted of each attempt."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        for nth in range(1000):
            wanted = [(directory, attempt) for directory in (one, other) for attempt in (1, 2)]
            random.shuffle(wanted)
            verdicts = await asyncio.gather(
                *(directory.claim(claim(f"s{nth}", attempt)) for directory, attempt in wanted)
            )
            granted = [attempt for (_, attempt), verdict in zip(wanted, verdicts, strict=True) if verdict is GRANTED]
            assert sorted(granted) in ([2], [1, 2])
            assert set(verdicts) == {GRANTED, SUPERSEDED}

    play(rig, scenario)


def test_the_old_owner_hears(rig: Rig) -> None:
    """With its next exchange, of the largest attempt that it has lost; who took it hears nothing."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        await one.claim(claim("s"))
        await one.claim(claim("s", 1))
        await other.claim(claim("s", 3))
        await rig.settle()
        assert (Notice("s", 2),) == (await one.exchange(report())).notices
        assert () == (await one.exchange(report())).notices
        assert () == (await other.exchange(report())).notices

    play(rig, scenario)


def test_notices_keep_their_order_and_their_bound(rig: Rig) -> None:
    """A worker that comes late hears the newest 2,000, oldest first."""
    slices = [[f"{nth:04}" for nth in range(first, first + 300)] for first in range(0, 2100, 300)]

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        for names in slices:
            await one.exchange(report(*(entry(name) for name in names)))
        for names in slices:
            await other.exchange(report(*(entry(name, 1) for name in names)))
            await rig.settle()
        heard = (await one.exchange(report())).notices
        assert [Notice(f"{nth:04}", 0) for nth in range(100, 2100)] == list(heard)

    play(rig, scenario)


def test_ended_from_any_worker(rig: Rig) -> None:
    """No claim is granted any more, the owner hears of it, and ending it again is the same."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        await one.claim(claim("s"))
        ended = [await other.end("s", tenant, EXPIRES_S) for tenant in ("acme", None)]
        assert [Ended("one", is_live=True)] * 2 == ended
        await rig.settle()
        assert {Notice("s")} == set((await one.exchange(report())).notices)
        assert [ENDED, ENDED] == [await one.claim(claim("s")), await other.claim(claim("s", 5))]
        assert (Notice("s"),) == (await one.exchange(report(entry("s")))).notices

    play(rig, scenario)


def test_what_is_ended_is_live_or_not(rig: Rig) -> None:
    """From its claim on, before any report of it, to the report that it is gone, or was gone before."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        for name in ("new", "listed", "gone", "passed"):
            await one.claim(claim(name))
        await one.exchange(report(entry("listed"), entry("gone")))
        await other.exchange(report(passed=("new",)))
        await one.exchange(report(ended=("gone",), passed=("passed",)))
        ends = {name: await other.end(name, None, EXPIRES_S) for name in ("new", "listed", "gone", "passed")}
        assert {
            "new": Ended("one", is_live=True),
            "listed": Ended("one", is_live=True),
            "gone": Ended("one", is_live=False),
            "passed": Ended("one", is_live=False),
        } == ends
        await one.exchange(report(passed=("new", "nobody's"), ended=("listed",)))
        again = [await other.end(name, None, EXPIRES_S) for name in ("new", "listed")]
        assert [Ended("one", is_live=False)] * 2 == again

    play(rig, scenario)


def test_only_what_is_known_can_be_ended(rig: Rig) -> None:
    """Unknown and foreign are answered alike, and nothing changes."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        await one.claim(claim("s"))
        assert not await one.end("t", "acme", EXPIRES_S)
        assert not await one.end("t", None, EXPIRES_S)
        assert not await one.end("s", "foreign", EXPIRES_S)
        assert not await one.end("s", "", EXPIRES_S)
        await rig.settle()
        assert () == (await one.exchange(report())).notices
        assert GRANTED == await one.claim(claim("s", 1))

    play(rig, scenario)


@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_worker_can_end_its_own_session_unknown_or_not(rig: Rig, is_emptied: bool) -> None:  # noqa: FBT001 - a case
    """No claim is granted any more, though the store was emptied in between, and all is as with any other end."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        await one.claim(claim("s", 2))
        if is_emptied:
            rig.empty()
        for _ in range(2):
            await one.end_own(claim("s", 2, expires_s=10 * EXPIRES_S))
        assert [ENDED, ENDED] == [await one.claim(claim("s", 3)), await other.claim(claim("s", 3))]
        assert (Notice("s"),) == (await other.exchange(report(entry("s", 3)))).notices
        assert None is await other.find("s", None)
        ended = [await other.end("s", tenant, 1) for tenant in ("acme", "foreign")]
        assert [Ended("one", is_live=not is_emptied), None] == ended
        rig.let_pass(9 * EXPIRES_S)
        assert ENDED == await other.claim(claim("s", 3))
        rig.let_pass(2 * EXPIRES_S)
        assert GRANTED == await other.claim(claim("s", 3))

    play(rig, scenario)


def test_a_session_that_went_elsewhere_is_ended_there(rig: Rig) -> None:
    """By the worker that had it, too: its owner hears of it."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        await one.claim(claim("s"))
        await other.claim(claim("s", 1))
        await one.end_own(claim("s"))
        await rig.settle()
        assert (Notice("s"),) == (await other.exchange(report())).notices
        assert ENDED == await other.claim(claim("s", 2))

    play(rig, scenario)


def test_an_end_lasts(rig: Rig) -> None:
    """As long as it was said to, and no shorter than the note it was put on."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        for name in ("long", "short"):
            await one.claim(claim(name))
        await one.end("long", None, 10 * EXPIRES_S)
        await one.end("short", None, 1)
        rig.let_pass(EXPIRES_S - 10)
        assert [ENDED, ENDED] == [await one.claim(claim(name, 1)) for name in ("long", "short")]
        rig.let_pass(20)
        assert [ENDED, GRANTED] == [await one.claim(claim(name, 1)) for name in ("long", "short")]
        rig.let_pass(9 * EXPIRES_S)
        assert GRANTED == await one.claim(claim("long"))

    play(rig, scenario)


def test_a_note_lives_while_its_session_is_reported(rig: Rig) -> None:
    """And for its time after that; a larger attempt is then as good as none."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        await one.claim(claim("s", 3))
        for _ in range(5):
            rig.let_pass(EXPIRES_S - 10)
            assert () == (await one.exchange(report(entry("s", 3)))).notices
        rig.let_pass(EXPIRES_S - 10)
        assert SUPERSEDED == await one.claim(claim("s", 3))
        rig.let_pass(20)
        assert GRANTED == await one.claim(claim("s", expires_s=5))
        rig.let_pass(6)
        assert GRANTED == await one.claim(claim("s"))

    play(rig, scenario)


@pytest.mark.parametrize(
    ("noted", "reported", "stays"),
    [
        (None, ("one", 0), "one"),
        (("one", 2), ("one", 2), "one"),
        (("one", 2), ("one", 1), None),
        (("one", 2), ("one", 3), "one"),
        (("other", 2), ("one", 1), "other"),
        (("other", 2), ("one", 2), "other"),
        (("other", 2), ("one", 3), "one"),
        (("other", LARGEST), ("one", LARGEST - 1), "other"),
        (("other", LARGEST - 1), ("one", LARGEST), "one"),
    ],
)
def test_noting_again(rig: Rig, noted: tuple[str, int] | None, reported: tuple[str, int], stays: str | None) -> None:
    """The larger attempt stays, of equal ones the first noted; who has lost, or loses, hears of it."""

    async def scenario(rig: Rig) -> None:
        directories = {name: rig.directory(name) for name in ("one", "other")}
        if noted is not None:
            await directories[noted[0]].claim(claim("s", noted[1]))
        worker, attempt = reported
        notices = (await directories[worker].exchange(report(entry("s", attempt)))).notices
        assert (() if stays == worker else (Notice("s", attempt),)) == notices
        await rig.settle()
        heard = (await directories["other"].exchange(report())).notices
        is_taken = noted is not None and noted[0] == "other" and stays == "one"
        assert ((Notice("s", attempt - 1),) if is_taken else ()) == heard

    play(rig, scenario)


def test_an_emptied_store_is_filled_again(rig: Rig) -> None:
    """Workers see that it forgot, note their sessions again, and of two that have one the rule says who keeps it."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        mine = (entry("equal", 1), entry("mine", 2), entry("smaller", 1))
        theirs = (entry("equal", 1), entry("smaller", 2), entry("theirs"))
        await one.exchange(report(*mine, acme=3))
        rig.empty()
        assert [True, False] == [(await one.exchange(report(*mine, acme=3))).forgot for _ in range(2)]
        news = await other.exchange(report(*theirs, acme=3))
        await rig.settle()
        assert (True, 6) == (news.forgot, news.sessions)
        assert (Notice("equal", 1),) == news.notices
        assert (Notice("smaller", 1),) == (await one.exchange(report())).notices
        assert [GRANTED, SUPERSEDED] == [await one.claim(claim("mine", attempt)) for attempt in (3, 3)]

    play(rig, scenario)
