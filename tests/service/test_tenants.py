"""What a tenant may have: here, with what the others have, and without a store."""

from __future__ import annotations

import pytest

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import ANYBODY, Admission, TenantLimits
from earful.service.tenants import ASKED_FOR_S, MOST_ASKED_FOR, Tenants

THREE = Admission("acme", TenantLimits(max_sessions=3))
SLOWLY = Admission("acme", TenantLimits(max_new_sessions_per_s=2.0))


class House:
    """The tenants of a worker, and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tenants = Tenants(lambda: self.now)

    def begins(self, admission: Admission) -> bool:
        """Whether one more may begin; it does."""
        try:
            self.tenants.check(admission)
        except EarfulError as refused:
            return refused.code is not ErrorCode.TENANT_LIMIT
        self.tenants.enter(admission.tenant)
        return True


def test_a_tenant_has_as_many_as_it_may_have() -> None:
    """Of another there are as many again; one that ends makes room."""
    house = House()
    assert [True, True, True, False] == [house.begins(THREE) for _ in range(4)]
    assert house.begins(Admission("globex", THREE.limits))
    house.tenants.leave("acme")
    assert [True, False] == [house.begins(THREE) for _ in range(2)]


def test_who_would_be_refused_is_known_before_it_counts() -> None:
    """By number and by rate, however often it is asked; nobody in particular has no limits."""
    house = House()

    def refusal(admission: Admission) -> str:
        try:
            house.tenants.refuse(admission)
        except EarfulError as refused:
            return refused.code.value
        return ""

    assert [""] * 5 == [refusal(admission) for admission in (THREE, THREE, THREE, THREE, ANYBODY)]
    assert [True, True, True] == [house.begins(THREE) for _ in range(3)]
    assert "tenant_limit" == refusal(THREE)
    house.tenants.leave("acme")
    assert [""] * 3 == [refusal(SLOWLY) for _ in range(3)]
    assert [True, True] == [house.begins(SLOWLY) for _ in range(2)]
    assert "tenant_limit" == refusal(SLOWLY)
    house.now = 0.5
    assert ["", True] == [refusal(SLOWLY), house.begins(SLOWLY)]


def test_uploads_count_as_sessions() -> None:
    """While they last."""
    house = House()
    with house.tenants.upload("acme"), house.tenants.upload("acme"):
        assert [True, False] == [house.begins(THREE) for _ in range(2)]
    assert [True, True, False] == [house.begins(THREE) for _ in range(3)]


def test_what_the_others_have_counts() -> None:
    """As of their last word."""
    house = House()
    house.tenants.learn({"acme": 2, "globex": 3}, 2)
    assert [True, False] == [house.begins(THREE) for _ in range(2)]


def test_without_the_store_each_worker_keeps_to_its_share() -> None:
    """Of as many workers as there were, rounded up; what they had is not known any more."""
    house = House()
    house.tenants.learn({"acme": 3}, 2)
    house.tenants.cut_off()
    assert [True, True, False] == [house.begins(THREE) for _ in range(3)]
    house.tenants.learn({}, 2)
    assert house.begins(THREE)


def test_they_begin_no_faster_than_they_may() -> None:
    """The whole rate at any worker, as long as they share a store; without it each keeps to its share."""
    house = House()
    assert [True, True, False] == [house.begins(SLOWLY) for _ in range(3)]
    house.now = 1.0
    house.tenants.learn({}, 2)
    assert [True, True, False] == [house.begins(SLOWLY) for _ in range(3)]
    house.now = 2.0
    house.tenants.cut_off()
    assert [True, False] == [house.begins(SLOWLY) for _ in range(2)]


def test_who_resumes_is_let_in_for_that_alone() -> None:
    """It has a session already; the rate is for those that are new."""
    house = House()
    assert [False, True] == [
        house.tenants.check(THREE, resuming=True),
        [house.begins(THREE) for _ in range(3)] == [True] * 3 and house.tenants.check(THREE, resuming=True),
    ]
    house.begins(SLOWLY), house.begins(SLOWLY)
    assert not house.tenants.check(SLOWLY, resuming=True)


def test_as_many_wait_to_resume_as_the_tenant_may_have() -> None:
    """However many sessions it has; those that have resumed, or are gone, wait no more; others are not in its way."""
    tenants = House().tenants
    for _ in range(3):
        tenants.check(THREE, resuming=True)
        tenants.wait("acme")
    with pytest.raises(EarfulError, match="wait to resume") as refused:
        tenants.check(THREE, resuming=True)
    assert ErrorCode.TENANT_LIMIT is refused.value.code
    assert not tenants.check(Admission("globex", THREE.limits), resuming=True)
    assert not tenants.check(THREE)
    tenants.wait_over("acme")
    assert not tenants.check(THREE, resuming=True)


@pytest.mark.parametrize(("most", "lets_in"), [(None, [True] * 5), (0, [True, False])])
def test_one_may_always_wait(most: int | None, lets_in: list[bool]) -> None:
    """Its session began when its tenant had a place still; where there is no limit any number may."""
    tenants = House().tenants
    waits = []
    for _ in lets_in:
        try:
            tenants.check(Admission("acme", TenantLimits(most)), resuming=True)
        except EarfulError:
            waits.append(False)
        else:
            tenants.wait("acme")
            waits.append(True)
    assert lets_in == waits


def test_nobody_in_particular_is_not_counted() -> None:
    """Where no tenants are there is nothing to remember."""
    house = House()
    assert [True] * 10 == [house.begins(ANYBODY) for _ in range(10)]
    house.tenants.leave("")
    assert {} == house.tenants.asked_for()


def test_the_others_are_asked_about_those_who_came() -> None:
    """A minute long, and not about more than there is room for: a name costs nothing to make up."""
    house = House()
    for number in range(MOST_ASKED_FOR + 1):
        house.begins(Admission(str(number)))
        house.tenants.leave(str(number))
    assert (MOST_ASKED_FOR, {0}, False) == (
        len(house.tenants.asked_for()),
        set(house.tenants.asked_for().values()),
        "0" in house.tenants.asked_for(),
    )
    assert not house.tenants._sessions
    house.now = ASKED_FOR_S + 1
    assert {} == house.tenants.asked_for()


@pytest.mark.parametrize(
    ("own", "others", "both"),
    [
        (TenantLimits(), TenantLimits(), TenantLimits()),
        (TenantLimits(1), TenantLimits(2, 3.0), TenantLimits(1, 3.0)),
        (TenantLimits(None, 0.0), TenantLimits(2, 3.0), TenantLimits(2, 0.0)),
    ],
)
def test_limits_lie_over_others(own: TenantLimits, others: TenantLimits, both: TenantLimits) -> None:
    """What one does not say the other does."""
    assert both == own.over(others)
