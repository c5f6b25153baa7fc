"""One rate at several workers: exact at one, hardly ahead at many, shared evenly while nobody can be told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.service.buckets import Buckets
from earful.service.rates import Rates
from earful.store.bucket import Bucket
from earful.store.values import Draw

rates = st.sampled_from([0.2, 1.0, 3.0, 40.0])
tries = st.lists(st.tuples(st.integers(0, 3), st.floats(0, 2), st.integers(0, 60)), max_size=60)
"""At which worker, how long after those before, and how many at once."""


class Company:
    """Workers that share a bucket of one tenant, and tell it at once; `began` says how many sessions did."""

    def __init__(self, rate_per_s: float, workers: int = 4, *, is_away: bool = False) -> None:
        self.rate_per_s = rate_per_s
        self.workers = [Rates() for _ in range(workers)]
        self.now = 0.0
        self.began = 0
        self._bucket = Bucket(rate_per_s, 0.0)
        for rates in self.workers:
            rates.share(workers)
            if is_away:
                rates.cut_off()

    def try_at(self, worker: int, *, is_told: bool = True) -> bool:
        """Whether a session may begin there."""
        rates = self.workers[worker]
        if not rates.take("acme", self.rate_per_s, self.now):
            return False
        self.began += 1
        if is_told:
            self.tell(worker)
        return True

    def tell(self, worker: int) -> None:
        """Have a worker told what is left, after what it tells."""
        draws = self.workers[worker].draws()
        left = [self._bucket.draw(draw.number, draw.rate_per_s, self.now) for draw in draws]
        self.workers[worker].learn(draws, left, self.now)


@given(rates, tries)
def test_all_workers_together_keep_to_the_rate(rate_per_s: float, tries: list[tuple[int, float, int]]) -> None:
    """However they are spread: never more ahead than one session for each other worker, over any time."""
    company = Company(rate_per_s)
    for worker, wait_s, number in tries:
        company.now += wait_s
        for nth in range(number):
            company.try_at((worker + nth // 20) % 4)
        allowed = max(1.0, rate_per_s) + rate_per_s * company.now
        assert company.began <= allowed + len(company.workers) - 1 + 1e-6


@given(rates, tries)
def test_a_tenant_with_one_worker_has_all_of_its_rate(rate_per_s: float, tries: list[tuple[int, float, int]]) -> None:
    """As if there were no other: not one session less."""
    company, alone = Company(rate_per_s), Buckets()
    for _, wait_s, number in tries:
        company.now += wait_s
        for _ in range(number):
            assert alone.take("acme", rate_per_s, company.now) == company.try_at(0)


@given(rates, tries)
def test_without_the_store_they_keep_to_the_rate_by_shares(
    rate_per_s: float, tries: list[tuple[int, float, int]]
) -> None:
    """One at least is in each share, and none of it is told later."""
    company = Company(rate_per_s, is_away=True)
    for worker, wait_s, number in tries:
        company.now += wait_s
        for nth in range(number):
            company.try_at((worker + nth) % 4)
    assert company.began <= 4 * max(1.0, rate_per_s / 4) + rate_per_s * company.now + 1e-6
    assert [()] * 4 == [rates.draws() for rates in company.workers]


def test_a_flood_at_all_of_them_is_made_good() -> None:
    """In time the rate is kept to, wherever they come."""
    company = Company(1.0)
    for tick in range(1000):
        company.now = tick / 10
        for worker in range(4):
            company.try_at(worker)
    assert company.began == pytest.approx(1 + 99.9 + 3, abs=1)


def test_what_begins_while_it_is_told_comes_off_the_answer() -> None:
    """And is told the next time."""
    rates, told = Rates(), []
    rates.on_due = lambda: told.append(True)
    rates.share(2)
    assert [True] * 3 == [rates.take("acme", 9.0, 0.0) for _ in range(3)]
    draws = rates.draws()
    assert ((Draw("acme", 9.0, 3),), [True] * 3) == (draws, told)
    assert [True, True] == [rates.take("acme", 9.0, 0.0) for _ in range(2)]
    rates.learn(draws, [3.0], 0.0)
    assert [True, False] == [rates.take("acme", 9.0, 0.0) for _ in range(2)]
    assert ((Draw("acme", 9.0, 3),), ()) == (rates.draws(), rates.draws())


def test_where_nothing_is_shared_nothing_is_told() -> None:
    """The whole rate is this worker's; also where its store has not been there yet, or nobody else has."""
    rates = Rates()
    rates.cut_off()
    assert [True, True, False] == [rates.take("acme", 2.0, 0.0) for _ in range(3)]
    assert () == rates.draws()
    rates.share(0)
    rates.cut_off()
    assert [True, True, False] == [rates.take("acme", 2.0, 1.0) for _ in range(3)]


def test_the_store_comes_and_goes() -> None:
    """What was in the bucket stays, as far as a share has room; what was not heard is let off."""
    rates = Rates()
    rates.share(2)
    assert rates.take("acme", 4.0, 0.0)
    rates.cut_off()
    assert [True, True, False] == [rates.take("acme", 4.0, 0.0) for _ in range(3)]
    rates.share(2)
    assert (False, ()) == (rates.take("acme", 4.0, 0.0), rates.draws())
    assert [True] * 4 + [False] == [rates.take("acme", 4.0, 1.0) for _ in range(5)]
    assert (Draw("acme", 4.0, 4),) == rates.draws()
