"""The doorkeeper that the settings ask for: origin first, then the address, then who it is. What is cheap comes first.

`loading.py` builds it, the `Entrance` asks it, within its time.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from earful.access.authenticator import TENANT, quick_of
from earful.errors import EarfulError, ErrorCode
from earful.service.admission import ANYBODY, NO_LIMITS, UNDECIDED, Admission, Caller, TenantLimits
from earful.service.buckets import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.access.authenticator import Authenticator
    from earful.access.origins import Origins

_PAGE = "Web pages of this origin may not use this service."
_IPV6_NETWORK_BITS = 64
"""What one customer of a provider is given at least: its addresses are one."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """What holds for everybody."""

    origins: Origins
    max_handshakes_per_s: float = 0.0
    """By one address; 0 is no limit."""
    limits: TenantLimits = NO_LIMITS
    """Of a tenant, where its authenticator names none."""


class Gate:
    """A `Doorkeeper`, and a quick one where its authenticator is."""

    def __init__(self, rules: GateRules, authenticator: Authenticator | None, clock: Callable[[], float]) -> None:
        """Without an `authenticator` whoever passes the rules is nobody in particular."""
        self._rules = rules
        self._authenticator = authenticator
        self._quick = quick_of(authenticator)
        self.is_quick = authenticator is None or self._quick is not None
        self._clock = clock
        self._addresses = Buckets()

    async def __call__(self, caller: Caller) -> Admission:
        """Let in.

        Raises EarfulError: `forbidden`, `rate_limited`, `unauthorized`, or what the authenticator says; and ValueError
        where it names a tenant by what can be no name of one.
        """
        self._look_at(caller)
        if self._authenticator is None:
            return ANYBODY
        return self._as_whom(await self._authenticator(caller), caller)

    def decide(self, caller: Caller) -> Admission:
        """The same at once, where it `is_quick`; raises TypeError where it is not."""
        self._look_at(caller)
        if self._authenticator is None:
            return ANYBODY
        if self._quick is None:
            raise TypeError("this authenticator takes its time")
        return self._as_whom(self._quick.decide(caller), caller)

    def forget(self, caller: Caller) -> None:
        """`caller`, who was let in, will ask once more: so far it was no handshake of its address."""
        self._addresses.give_back(network_of(caller.peer))

    def _as_whom(self, admission: Admission | None, caller: Caller) -> Admission:
        if admission is None and caller.is_stream and not caller.token:
            return UNDECIDED
        if admission is None or not admission.tenant:
            raise EarfulError(ErrorCode.UNAUTHORIZED)
        if not TENANT.fullmatch(admission.tenant):
            raise ValueError("an authenticator named a tenant by what can be no name of one")
        return replace(admission, limits=admission.limits.over(self._rules.limits), is_open=False)

    def _look_at(self, caller: Caller) -> None:
        if caller.token:
            return  # It was looked at before its upgrade.
        rules = self._rules
        if not rules.origins.allow(caller.headers):
            raise EarfulError(ErrorCode.FORBIDDEN, _PAGE)
        rate_per_s = rules.max_handshakes_per_s
        if rate_per_s and not self._addresses.take(network_of(caller.peer), rate_per_s, self._clock()):
            raise EarfulError(ErrorCode.RATE_LIMITED)


def network_of(peer: str) -> str:
    """Whose address it is: IPv4 as it is, of IPv6 the network of 64 bits; what is no address is one name for all."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    if address.version == 4:  # noqa: PLR2004 - the version of the protocol
        return str(address)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False))
