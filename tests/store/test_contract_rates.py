"""The contract of a directory, over memory and a real Redis: one bucket for a tenant, of all workers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.store.rig import Rig, play

from earful.store.values import Draw

if TYPE_CHECKING:
    from earful.store.directory import Directory

SLOW_PER_S = 0.001
"""A rate by which nothing is earned while a test runs."""


async def left(directory: Directory, number: int, rate_per_s: float = SLOW_PER_S, tenant: str = "acme") -> float:
    """After a draw."""
    [found] = await directory.draw([Draw(tenant, rate_per_s, number)])
    return found


def nearly(number: float) -> object:
    """As much, but for what a busy machine's time has earned."""
    return pytest.approx(number, abs=0.1)


def test_all_workers_have_one_bucket(rig: Rig) -> None:
    """Of each tenant; what is not there is owed."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        assert [nearly(0), nearly(-2), nearly(-5)] == [
            await left(directory, number) for directory, number in ((one, 1), (other, 2), (one, 3))
        ]
        assert nearly(0) == await left(other, 1, tenant="globex")
        both = await one.draw([Draw("acme", SLOW_PER_S, 1), Draw("globex", SLOW_PER_S, 0)])
        assert [nearly(-6), nearly(0)] == both

    play(rig, scenario)


def test_it_gains_by_the_time_that_passes(rig: Rig) -> None:
    """By the store's clock, until it is full; then nothing is known of it any more."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        assert nearly(-2) == await left(one, 3)
        rig.let_pass(1500)
        assert nearly(-0.5) == await left(other, 0)
        rig.let_pass(1400)
        assert nearly(0.9) == await left(one, 0)
        rig.let_pass(5000)
        assert nearly(0) == await left(other, 1)

    play(rig, scenario)


def test_it_holds_a_second_of_a_fast_one(rig: Rig) -> None:
    """All of it at once."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        assert 1000.0 == await left(one, 0, 1000.0)
        assert await left(one, 1_000_000, 1000.0) <= 0

    play(rig, scenario)


def test_another_rate_gives_nothing_away_in_the_store(rig: Rig) -> None:
    """What is there stays, as far as there is room; what was earned is by the rate that held."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        await left(one, 1)
        rig.let_pass(500)
        assert nearly(0.5) == await left(one, 0, 500.0)
        assert 500.0 == await left(one, 0, 500.0, tenant="globex")
        assert nearly(0) == await left(one, 1, tenant="globex")

    play(rig, scenario)


def test_many_at_once_are_all_counted(rig: Rig) -> None:
    """From several workers, in any order."""

    async def scenario(rig: Rig) -> None:
        directories = [rig.directory(f"worker {nth}") for nth in range(5)]
        for _ in range(20):
            await asyncio.gather(*(left(directory, 1) for directory in directories))
        assert nearly(1 - 100) == await left(directories[0], 0)

    play(rig, scenario)


def test_tenants_of_any_name(rig: Rig) -> None:
    """None is another's, whatever a key is made of."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        names = ("a", "a}", "{a}", "a:bucket", "a}:bucket", "ä", "session:a")
        for nth, name in enumerate(names):
            assert nearly(1 - nth) == await left(one, nth, tenant=name)

    play(rig, scenario)


@pytest.mark.parametrize("rate_per_s", [1e-9, 1e6])
def test_the_slowest_and_the_fastest(rig: Rig, rate_per_s: float) -> None:
    """Are kept as the others are."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        assert max(1.0, rate_per_s) == await left(one, 0, rate_per_s)
        assert -1.0 == await left(one, 1 + round(max(1.0, rate_per_s)), rate_per_s, tenant="globex")

    play(rig, scenario)


def test_an_emptied_store_has_full_buckets(rig: Rig) -> None:
    """Nothing else is known there."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        await left(one, 7)
        rig.empty()
        assert nearly(0) == await left(one, 1)

    play(rig, scenario)
