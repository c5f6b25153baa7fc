"""`auth=static`: keys in a file, known by their hashes. The file is read anew when it changes."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

import msgspec

from earful.access.credential import credential_of
from earful.access.keyfile import digest_of, read_keys
from earful.access.watched import Watched
from earful.errors import EarfulError, ErrorCode
from earful.service.admission import ANYBODY

if TYPE_CHECKING:
    from earful.service.admission import Admission, Caller
    from earful.telemetry.logs import Logger

_SHOWN_BYTES = 8


class StaticOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of keys; with `in_query` a key may also be `?token=`."""

    file: str
    in_query: bool = False


class StaticKeys:
    """A `QuickAuthenticator`. How long it takes says nothing of a key: what is compared is a hash of it."""

    def __init__(self, options: StaticOptions, log: Logger) -> None:
        """Read the file. Raises SettingsError where it cannot be used."""
        self._keys = Watched(options.file, _by_beginning, log)
        self._in_query = options.in_query

    async def __call__(self, caller: Caller) -> Admission | None:
        """As `decide`."""
        return self.decide(caller)

    def decide(self, caller: Caller) -> Admission | None:
        """Whose key it is. Raises EarfulError(UNAUTHORIZED) where it is nobody's."""
        key = credential_of(caller, in_query=self._in_query)
        if key is None:
            return None
        digest = digest_of(key)
        holders = self._keys.value().get(digest[:_SHOWN_BYTES], _NOBODY)
        found = [holder for known, holder in holders if compare_digest(known, digest)]
        if not found:
            raise EarfulError(ErrorCode.UNAUTHORIZED)
        return found[0]


_NOBODY: list[tuple[bytes, Admission]] = [(bytes(32), ANYBODY)]
"""Compared with where no hash begins like that: no key is known whose hash this is."""


def _by_beginning(text: str) -> dict[bytes, list[tuple[bytes, Admission]]]:
    """The keys by the first bytes of their hashes, which may be looked up in any time; the rest is compared."""
    found: dict[bytes, list[tuple[bytes, Admission]]] = {}
    for digest, admission in read_keys(text).items():
        found.setdefault(digest[:_SHOWN_BYTES], []).append((digest, admission))
    return found
