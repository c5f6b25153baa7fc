"""Who asks a REST route, decided before the route is: each that is not open to all has one of the two dependencies.

`app.py` puts them before the routes; a test walks all routes there are. Where nobody is asked neither is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotations of what it calls

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import ANYBODY, Admission, Caller
from earful.transport import responses

if TYPE_CHECKING:
    from earful.service.admission import Entrance
    from earful.telemetry.events import Events


class Visitors:
    """Lets in whoever the entrance lets in."""

    answers = responses.ASKED

    def __init__(self, entrance: Entrance, events: Events) -> None:
        """Ask there; who is not let in is told to `events`."""
        self._entrance = entrance
        self._events = events

    async def __call__(self, request: Request) -> None:
        """Note who it is; raises EarfulError, as `Entrance.ask`."""
        try:
            await self._admit(request)
        except EarfulError as refused:
            origin = request.state.origin
            whence = {"peer": origin.peer, **origin.context(origin.request_id)}
            self._events.tell_often("access refused", code=refused.code.value, why=refused.text, **whence)
            raise

    async def _admit(self, request: Request) -> None:
        state = request.state
        query = parse_qs(request.url.query)
        caller = Caller(request.url.path, request.headers.raw, query, state.origin.peer, is_stream=False)
        state.admission = await self._entrance.ask(caller)
        self._check(state.admission)

    def _check(self, admission: Admission) -> None:
        """Whoever is known may ask for its own."""


class Operators(Visitors):
    """Lets in operators alone; where nobody is known by name, that is whoever gets here."""

    answers = responses.FOR_OPERATORS

    def _check(self, admission: Admission) -> None:
        if admission.tenant and not admission.is_operator:
            refused = EarfulError(ErrorCode.FORBIDDEN)
            self._entrance.count(refused)
            raise refused


def admission_of(request: Request) -> Admission:
    """As whom this request came in."""
    found: Admission = getattr(request.state, "admission", ANYBODY)
    return found


def tenant_seen_by(request: Request) -> str | None:
    """Whose sessions this request may see; None is everybody's."""
    admission = admission_of(request)
    return None if admission.is_operator or not admission.tenant else admission.tenant
