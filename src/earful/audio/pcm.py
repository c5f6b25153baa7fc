"""PCM as clients send it, and the way from there to what every model hears: 16 kHz mono s16le.

Guarantees that the output depends on the bytes alone, never on how they were cut into chunks. Audio
that is already native passes through without numpy; everything else loads it on first use. Pure;
called by the session core, one Converter from one mark to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from earful.audio.waveform import Waveform

NATIVE_RATE_HZ: Final = 16_000
NATIVE_SAMPLE_BYTES: Final = 2
MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 48_000
MAX_CHANNELS: Final = 8


class Encoding(StrEnum):
    """How one sample of one channel is written, by its name on the wire."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def width_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        return _WIDTH_BYTES[self]


_WIDTH_BYTES = {Encoding.PCM_S16LE: 2, Encoding.PCM_F32LE: 4, Encoding.MULAW: 1, Encoding.ALAW: 1}


@dataclass(frozen=True, slots=True)
class Format:
    """Encoding, rate in Hz (8000 to 48000) and interleaved channels (1 to 8) of a stream of samples.

    Raises EarfulError(UNSUPPORTED_FORMAT) for values outside these ranges.
    """

    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate: int = NATIVE_RATE_HZ
    channels: int = 1

    def __post_init__(self) -> None:
        """Refuse what the protocol does not allow, in a sentence that names the value."""
        if not MIN_RATE_HZ <= self.sample_rate <= MAX_RATE_HZ:
            text = f"sample_rate must be between {MIN_RATE_HZ} and {MAX_RATE_HZ} Hz, not {self.sample_rate}."
            raise EarfulError(ErrorCode.UNSUPPORTED_FORMAT, text)
        if not 1 <= self.channels <= MAX_CHANNELS:
            text = f"channels must be between 1 and {MAX_CHANNELS}, not {self.channels}."
            raise EarfulError(ErrorCode.UNSUPPORTED_FORMAT, text)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.encoding.width_bytes * self.channels

    @property
    def is_native(self) -> bool:
        """Whether the bytes are what models hear already: 16 kHz mono s16le."""
        return self.encoding is Encoding.PCM_S16LE and self.sample_rate == NATIVE_RATE_HZ and self.channels == 1


class Converter:
    """A stream of samples in one format, from one mark to the next, as 16 kHz mono s16le.

    What comes out is a function of the bytes fed since the mark and of nothing else: input is worked on
    in units counted from the mark (20 ms where it is resampled, else one sample of all channels), and
    the rest of a unit waits. Channels are mixed by their mean; NaN and infinity count as silence.

    Greatest lag of the output behind the input, measured with 20 ms blocks fed whole (a chunk that ends
    inside a block adds what is left of it, under 20 ms; `drain` lets all of it out):

    | input rate, Hz | quality | lag, ms |
    |---|---|---|
    | 8000 to 15999 | QQ | 0.25 |
    | 16000 | none | 0 |
    | 22050, 44100 | LQ | 22 |
    | 24000, 48000 | LQ | 20 |
    | 32000 | LQ | 31 |
    """

    __slots__ = ("_rest", "_unit_bytes", "_waveform")

    def __init__(self, audio_format: Format) -> None:
        """Begin at a mark, with nothing heard."""
        self._waveform = None if audio_format.is_native else _waveform_of(audio_format)
        self._unit_bytes = NATIVE_SAMPLE_BYTES if self._waveform is None else self._waveform.unit_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take any number of bytes, of any alignment; give the PCM that became ready (may be empty)."""
        if self._rest or len(data) % self._unit_bytes:
            data = self._join(data)
        if self._waveform is None or not data:
            return data
        return self._waveform.convert(data)

    def drain(self) -> bytes:
        """End at a mark: give all PCM still owed. An incomplete sample is dropped; feed nothing afterwards."""
        if self._waveform is None:
            return b""
        return self._waveform.finish(bytes(self._rest))

    def _join(self, data: bytes) -> bytes:
        rest = self._rest
        rest += data
        whole = len(rest) - len(rest) % self._unit_bytes
        units = bytes(rest[:whole])
        del rest[:whole]
        return units


def _waveform_of(audio_format: Format) -> Waveform:
    # numpy costs more than the whole budget of a start; a server that hears only native audio never loads it.
    from earful.audio.waveform import Waveform

    return Waveform(audio_format.encoding, audio_format.sample_rate, audio_format.channels)
