"""How values lie in a shared store: JSON, each in an envelope that begins with a version.

Guarantees that a record of the release before or after can be read (fields a reader does not know are passed
over, fields it misses have defaults), and that any other is None, never an exception. Used by `redis.py`.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

VERSION = 2
"""Raised when a field is appended; readers go along with versions up to the next one."""


class Record(Struct, Generic[T], frozen=True, array_like=True):
    """The envelope. Scripts look into it: `version` and `value` keep their places."""

    version: int
    value: T


class Codec(Generic[T]):
    """Writes and reads one kind of value."""

    def __init__(self, kind: type[T]) -> None:
        """For values of `kind`, a struct that is written as an array."""
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Record[kind])  # type: ignore[valid-type]  # known when it runs

    def write(self, value: T) -> bytes:
        """The record of `value`."""
        return self._encoder.encode(Record(VERSION, value))

    def read(self, data: bytes) -> T | None:
        """The value of a record; None where it is not of this kind, or more than one version ahead."""
        try:
            record: Record[T] = self._decoder.decode(data)
        except msgspec.DecodeError:
            return None
        return record.value if record.version <= VERSION + 1 else None
