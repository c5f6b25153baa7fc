"""What is told of one upload: that it began, or was refused, and how it ended, what it amounted to.

The upload's route opens one around everything else, so that whatever ends an upload is told.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from earful.errors import ERRORS, EarfulError, ErrorCode
from earful.service.departure import ClientGoneError
from earful.service.drawn_id import drawn_id
from earful.telemetry.tracing import NO_TRACE, NO_TRACER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earful.protocol.messages import Final
    from earful.service.origin import Origin
    from earful.session.session import Session
    from earful.telemetry.events import Events
    from earful.telemetry.tracing import Tracer

_DONE = "It was transcribed."
_LEFT = "The client had gone before it was answered."


class UploadAccount:
    """One upload's account; `upload_id` is what its lines and its model objects know it by."""

    def __init__(
        self,
        events: Events,
        origin: Origin,
        tracer: Tracer = NO_TRACER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Of a request that has come now."""
        self.upload_id = drawn_id()
        self._events = events
        self._origin = origin
        self._tracer = tracer
        self._trace = NO_TRACE
        self._clock = clock
        self._came_at = clock()
        self._is_let_in = False
        self._session: Session | None = None

    def begins(self) -> None:
        """It was given a place; its body is still to come."""
        self._is_let_in = True
        origin = self._origin
        self._trace = self._tracer.upload(self.upload_id, origin.parent)
        self._events.open(self.upload_id, **origin.context(self.upload_id))
        self._events.tell(self.upload_id, "upload started", peer=origin.peer)

    def listens(self, session: Session) -> None:
        """Its body is there, and this session listens to it."""
        self._session = session

    def ends(self, code: ErrorCode | None, *, left: bool = False) -> None:
        """It was answered, with its text or with this error; or its client has `left` before."""
        origin = self._origin
        why = _LEFT if left else _DONE if code is None else ERRORS[code].text
        took_s = round(self._clock() - self._came_at, 3)
        if not self._is_let_in:
            whence: dict[str, Any] = {"peer": origin.peer, **origin.context(origin.request_id)}
            self._events.tell_often("upload refused", code=code, why=why, **whence)
            return
        told = {} if self._session is None else self._session.numbers.as_dict()
        self._trace.note(**told)
        reason = "connection_lost" if left else "done" if code is None else code.value
        self._trace.end(reason, failed=code is not None)
        amounts: dict[str, Any] = {
            name: round(told[name], 3) for name in ("audio_ms", "speech_ms", "finals", "model_s") if name in told
        }
        self._events.tell(
            self.upload_id,
            "upload ended",
            peer=origin.peer,
            code=code,
            left=left,
            why=why,
            duration_s=took_s,
            **amounts,
        )
        self._events.close(self.upload_id)

    def finishes(self, finals: list[Final]) -> None:
        """Tell its text, where that may be logged by the operator's wish."""
        for final in finals:
            self._events.tell_text(self.upload_id, final.text, index=final.index)


@contextmanager
def account_of(events: Events, origin: Origin, tracer: Tracer = NO_TRACER) -> Iterator[UploadAccount]:
    """The account of one upload; its end is told when the scope ends, by what ended it."""
    account = UploadAccount(events, origin, tracer)
    code: ErrorCode | None = ErrorCode.INTERNAL
    left = False
    try:
        yield account
        code = None
    except ClientGoneError:
        code, left = None, True
        raise
    except EarfulError as error:
        code = error.code
        raise
    finally:
        account.ends(code, left=left)
