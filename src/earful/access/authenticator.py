"""What decides who somebody is. Two ship, `static` and `jwt`; others are named in the settings, by module and class."""

from __future__ import annotations

import re
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from earful.service.admission import Admission, Caller

TENANT = re.compile(r"[A-Za-z0-9._@:+-]{1,128}")
"""What a tenant may be called: it stands in logs, in cursors and in the store."""


class Authenticator(Protocol):
    """One object a worker, made with `auth_options` as keyword arguments, and called for many at once."""

    async def __call__(self, caller: Caller, /) -> Admission | None:
        """As whom `caller` comes in, of a tenant whose name fits `TENANT`; None where it brings nothing to tell it by.

        Raises EarfulError (`unauthorized`, `forbidden`) for whom it does not let in. It has `handshake_timeout_s`, and
        then is cancelled; what else it raises is `internal` to the caller, and logged without its words, as is a name
        that does not fit. Of a stream for which it answers None it is asked once more, when `start` has brought a
        `token`.
        """
        ...


class QuickAuthenticator(Protocol):
    """An `Authenticator` that needs nobody else to decide, which spares each of its callers a task of the event loop.

    Where there are many wrong keys it is asked before anything else is done for a connection.
    """

    def decide(self, caller: Caller, /) -> Admission | None:
        """What `__call__` answers, without waiting for anything, in microseconds; raises as that does."""
        ...


def quick_of(authenticator: Authenticator | None) -> QuickAuthenticator | None:
    """The same one, where it is quick: where a plain `decide` stands for the `__call__` that it has.

    One that extends another by a `__call__` of its own is not: the `decide` that it inherits would let in past it.
    """
    for kind in type(authenticator).__mro__:
        if "decide" in vars(kind):
            return None if iscoroutinefunction(vars(kind)["decide"]) else cast("QuickAuthenticator", authenticator)
        if "__call__" in vars(kind):
            return None
    return None
