"""A stranger that goes on pinging behind our close; what else it may do is in the conformance tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.access.keys import caller as stranger_of
from tests.service.worker import registered
from tests.support.inside import Record
from tests.support.wire import RecordingWire

from earful.service.admission import UNDECIDED, Admission, Caller, Entrance
from earful.service.origin import NOWHERE
from earful.telemetry.metrics import Metrics
from earful.transport.vestibule import MOST_BEHIND, MOST_SIGNS, welcome

if TYPE_CHECKING:
    from earful.service.registry import Registry


async def _nobody(caller: Caller) -> Admission:
    del caller
    return UNDECIDED


def test_who_does_not_look_for_the_close_is_dropped() -> None:
    """It has some room behind it: what was on its way must not become a reset that overtakes the close."""

    async def scenario(registry: Registry) -> None:
        registry.entrance = Entrance(_nobody, 10.0, Metrics(0.0), Record())
        wire = RecordingWire()
        stranger = welcome(registry, "s", wire, NOWHERE, UNDECIDED, stranger_of())
        for _ in range(MOST_SIGNS + 1):
            stranger.pinged()
        assert ((4001, "unauthorized"), []) == (wire.closed, wire.calls)
        for _ in range(MOST_BEHIND - MOST_SIGNS):
            assert [] == wire.calls
            stranger.ponged()
        assert ["abort"] == wire.calls

    registered(scenario)
