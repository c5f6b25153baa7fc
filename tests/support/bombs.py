"""Small files that would be large: hours in a few kilobytes, tables that only claim to be there."""

from __future__ import annotations

import struct
from functools import cache

from tests.support.sounds import encoded, silence, wav

_RATE_HZ = 16_000
_FLAC_SHAPE_AT = 4 + 4 + 10
"""Behind the magic, a block's head, and sizes: rate, channels, bits, and in the lowest 36 bits how many samples."""


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of ISO 14496-12."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def mp4(samples: int, tracks: int = 1) -> bytes:
    """An MP4 without sound whose every track claims so many samples of one byte each, as no table has to be there."""
    entry = box(b"mp4a", struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, _RATE_HZ << 16))
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        box(b"stts", struct.pack(">IIII", 0, 1, samples, 1_024)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, samples, 1)),
        box(b"stsz", struct.pack(">III", 0, 1, samples)),
        box(b"stco", struct.pack(">III", 0, 1, 48)),
    )
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, _RATE_HZ, _RATE_HZ, 0x55C4, 0)),
        box(b"hdlr", struct.pack(">II4s13x", 0, 0, b"soun")),
        box(b"minf", box(b"smhd", bytes(8)), table),
    )
    heads = [box(b"tkhd", struct.pack(">IIIIII60x", 7, 0, 0, nth + 1, 0, _RATE_HZ)) for nth in range(tracks)]
    moov = box(b"moov", box(b"mvhd", bytes(100)), *(box(b"trak", head, media) for head in heads))
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"mdat", bytes(200)) + moov


@cache
def flac(seconds: float) -> bytes:
    """A second of silence that says it is so many."""
    file = bytearray(encoded(silence(1.0), "flac", "flac"))
    (said,) = struct.unpack_from(">Q", file, _FLAC_SHAPE_AT)
    struct.pack_into(">Q", file, _FLAC_SHAPE_AT, said >> 36 << 36 | round(seconds * _RATE_HZ))
    return bytes(file)


def slow_wav(seconds: int) -> bytes:
    """So many seconds in as many thousands of bytes: 1,000 Hz, eight bits."""
    return wav(bytes(seconds * 1_000), rate_hz=1_000, bits=8)
