"""Where a session can go on, and as what: the content of the cursors that clients keep: docs/protocol.md, Resuming.

Frozen values, compact as MessagePack arrays. Made by the session core at each mark; `seal.py` signs and
reads them. Fields are only ever added at the end, with a default, or the tag of `Cursor` changes (docs/upgrades.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from earful.audio.pcm import Encoding, Format
from earful.protocol.messages import Partials

if TYPE_CHECKING:
    from typing import Self


class Position(Struct, frozen=True, array_like=True, gc=False):
    """A mark in the session's audio: all before it is done.

    `sequence` and `offset_bytes` say in which chunk and how far into its decoded bytes it lies,
    `samples` how many samples as sent (of all channels) lie before it, `index` the number of the next
    utterance.
    """

    sequence: int = 1
    offset_bytes: int = 0
    samples: int = 0
    inside_speech: bool = False
    index: int = 0


class Cursor(Struct, frozen=True, array_like=True, tag=1):
    """A mark of one session, and all that another worker has to know to go on from there.

    `began_unix_s` is the session's beginning. The tag is the version.
    """

    session_id: str
    began_unix_s: int
    tenant: str = ""
    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate: int = 16_000
    channels: int = 1
    language: str | None = None
    partials: Partials = "fragment"
    words: bool = False
    position: Position = Position()

    @property
    def format(self) -> Format:
        """The audio's format; raises EarfulError(UNSUPPORTED_FORMAT) where it is none."""
        return Format(self.encoding, self.sample_rate, self.channels)

    def at(self, position: Position) -> Self:
        """The same session's cursor for another mark."""
        return replace(self, position=position)
