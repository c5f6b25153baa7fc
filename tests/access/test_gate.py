"""The gate: origin, address, and who it is, in this order."""

from __future__ import annotations

import asyncio

import pytest
from tests.access.keys import caller

from earful.access.gate import Gate, GateRules, network_of
from earful.access.origins import Origins
from earful.errors import EarfulError, ErrorCode
from earful.service.admission import ANYBODY, NO_LIMITS, UNDECIDED, Admission, Caller, TenantLimits

ANY = Origins(["*"])
PAGE = ("origin", "https://evil.net")


class Known:
    """Knows whoever has a name for a key; of others it knows nothing."""

    def __init__(self, limits: TenantLimits = NO_LIMITS) -> None:
        self.asked = 0
        self._limits = limits

    async def __call__(self, one: Caller) -> Admission | None:
        """Believe everything."""
        self.asked += 1
        name = one.token or dict(one.headers).get(b"x-api-key", b"").decode()
        return Admission(name, self._limits, is_open=True) if name else None


def answer(gate: Gate, one: Caller) -> Admission | ErrorCode:
    """What it says."""
    try:
        return asyncio.run(gate(one))
    except EarfulError as refused:
        return refused.code


def gate(known: Known | None = None, max_handshakes_per_s: float = 0.0) -> Gate:
    """One for every page."""
    return Gate(GateRules(ANY, max_handshakes_per_s), known, lambda: 0.0)


def test_without_an_authenticator_everybody_is_nobody_in_particular() -> None:
    """Keys mean nothing."""
    assert ANYBODY == answer(gate(), caller(("x-api-key", "acme")))


def test_who_is_known_comes_in_and_is_decided() -> None:
    """Whatever an authenticator says of that."""
    assert Admission("acme") == answer(gate(Known()), caller(("x-api-key", "acme")))


def test_a_stream_without_a_credential_may_bring_it_yet() -> None:
    """A REST request may not, and `start` has been the last chance."""
    assert UNDECIDED == answer(gate(Known()), caller())
    assert ErrorCode.UNAUTHORIZED is answer(gate(Known()), caller(is_stream=False))
    assert Admission("acme") == answer(gate(Known()), caller(token="acme"))  # noqa: S106 - a name


@pytest.mark.parametrize("name", ["a b", "a\n", "x" * 129, "\N{LATIN SMALL LETTER U WITH DIAERESIS}"])
def test_a_tenant_has_a_name_that_can_be_one(name: str) -> None:
    """An authenticator of somebody's own may say anything; logs, cursors and the store are spared."""
    with pytest.raises(ValueError, match="no name") as fault:
        answer(gate(Known()), caller(token=name))
    assert name not in str(fault.value)


def test_who_brings_a_token_and_is_not_known_is_refused() -> None:
    """Once is enough."""

    async def nobody(_: Caller) -> None:
        return None

    refused = answer(Gate(GateRules(ANY), nobody, lambda: 0.0), caller(token="x"))  # noqa: S106 - a name
    assert ErrorCode.UNAUTHORIZED is refused


def test_limits_are_the_tenants_own_or_else_those_of_all() -> None:
    """Each by itself."""
    known = Known(TenantLimits(max_sessions=5))
    rules = GateRules(ANY, limits=TenantLimits(9, 2.0))
    assert Admission("acme", TenantLimits(5, 2.0)) == answer(
        Gate(rules, known, lambda: 0.0), caller(("x-api-key", "acme"))
    )


def test_a_foreign_page_costs_no_question() -> None:
    """Its key is not looked at."""
    known = Known()
    refused = answer(Gate(GateRules(Origins(["https://a.org"])), known, lambda: 0.0), caller(PAGE, ("x-api-key", "a")))
    assert (ErrorCode.FORBIDDEN, 0) == (refused, known.asked)


def test_an_address_that_comes_too_often_costs_no_question() -> None:
    """Others come in as ever, and so does its token: the upgrade has counted."""
    known = Known()
    busy = gate(known, max_handshakes_per_s=2.0)
    assert ["a", "a", None] == [
        said.tenant if isinstance(said := answer(busy, caller(("x-api-key", "a"))), Admission) else None
        for _ in range(3)
    ]
    assert ErrorCode.RATE_LIMITED is answer(busy, caller(("x-api-key", "a")))
    assert 2 == known.asked
    assert Admission("a") == answer(busy, caller(("x-api-key", "a"), peer="192.0.2.8"))
    assert Admission("a") == answer(busy, caller(token="a"))  # noqa: S106 - a name


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix:", ""),
    ],
)
def test_an_address_is_counted_by_its_network(peer: str, network: str) -> None:
    """One customer has as many IPv6 addresses as it likes."""
    assert network == network_of(peer)


class QuicklyKnown(Known):
    """The same without waiting."""

    def decide(self, one: Caller) -> Admission | None:
        """Believe everything."""
        self.asked += 1
        name = dict(one.headers).get(b"x-api-key", b"").decode()
        return Admission(name) if name else None


def test_a_gate_is_as_quick_as_its_authenticator() -> None:
    """And says the same."""
    assert [True, False, True] == [gate(known).is_quick for known in (None, Known(), QuicklyKnown())]
    assert ANYBODY == gate().decide(caller())
    with pytest.raises(TypeError):
        gate(Known()).decide(caller(("x-api-key", "acme")))
    for one in (caller(("x-api-key", "acme")), caller(), caller(is_stream=False), caller(("x-api-key", "a b"))):
        answers = []
        for known in (Known(), QuicklyKnown()):
            try:
                answers.append(str(answer(gate(known), one)))
            except ValueError as fault:
                answers.append(str(fault))
            assert 1 == known.asked
        assert 1 == len(set(answers))


class Stricter(QuicklyKnown):
    """Extends what decides at once by a question that takes its time."""

    async def __call__(self, one: Caller) -> Admission | None:
        """Whoever would be let in is looked up yet."""
        del one
        raise EarfulError(ErrorCode.UNAUTHORIZED)


class Namesake(Known):
    """Has a method of the same name that is to be waited for."""

    async def decide(self, one: Caller) -> Admission | None:
        """Nothing that a gate would know of."""
        raise AssertionError(one)


def test_whoever_extends_an_authenticator_is_asked() -> None:
    """Nobody comes in by the `decide` of what it extends, past its own word."""
    one = caller(("x-api-key", "acme"))
    assert [False, False] == [gate(known).is_quick for known in (Stricter(), Namesake())]
    assert ErrorCode.UNAUTHORIZED is answer(gate(Stricter()), one)
    assert Admission("acme") == answer(gate(Namesake()), one)


def test_who_was_let_in_and_is_yet_to_come_is_counted_once() -> None:
    """By the bucket of its address; who was refused is counted for good."""
    one = gate(QuicklyKnown(), max_handshakes_per_s=1.0)
    known = caller(("x-api-key", "acme"))
    for _ in range(3):
        assert Admission("acme") == one.decide(known)
        one.forget(known)
    assert Admission("acme") == answer(one, known)
    assert ErrorCode.RATE_LIMITED is answer(one, known)
