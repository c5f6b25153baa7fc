"""Files whose sound is short and whose headers are not: what FFmpeg would keep, sort and copy before it is heard."""

from __future__ import annotations

import struct
from functools import cache

from tests.support.bombs import box
from tests.support.sounds import encoded, silence

_RATE_HZ = 16_000
_SAMPLES = 780_000
"""Of one track, as many as FFmpeg may make an index of."""
_OPUS = b"OpusHead\1\1\0\0" + struct.pack("<I", 48_000) + bytes(3)
_EBML_HEAD = bytes.fromhex(
    "1a45dfa3 9f 4286 81 01 42f7 81 01 42f2 81 04 42f3 81 08 4282 84 7765626d 4287 81 04 4285 81 02"
)
_PICTURE = b"\xff\xd8\xff" + bytes(4_000_000)


def full(kind: bytes, *content: bytes) -> bytes:
    """A box with a version and flags, all zero."""
    return box(kind, bytes(4), *content)


def _mp4(*tracks: bytes, more: bytes = b"", after: bytes = b"") -> bytes:
    head = box(b"mvhd", bytes(12), struct.pack(">II", _RATE_HZ, _RATE_HZ), bytes(80))
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"mdat", bytes(200)) + box(b"moov", head, *tracks, more) + after


def _track(nth: int, samples: int, *, entries: int = 1, extra: bytes = b"", edits: int = 0) -> bytes:
    shape = struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, _RATE_HZ << 16)
    table = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", entries), box(b"mp4a", shape, extra) * entries),
        full(b"stts", struct.pack(">III", 1, samples, 1_024)),
        full(b"ctts", struct.pack(">III", 1, samples, 5)),
        full(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)),
        full(b"stsz", struct.pack(">II", 1, samples)),
        full(b"stco", struct.pack(">II", 1, 48)),
    )
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, _RATE_HZ, _RATE_HZ, 0x55C4, 0)),
        box(b"hdlr", struct.pack(">II4s13x", 0, 0, b"soun")),
        box(b"minf", box(b"smhd", bytes(8)), table),
    )
    edit = struct.pack(">IiI", 1 << 30, 0, 0x10000)
    list_of_edits = box(b"edts", full(b"elst", struct.pack(">I", edits), edit * edits)) if edits else b""
    return box(b"trak", box(b"tkhd", struct.pack(">IIIIII60x", 7, 0, 0, nth, 0, _RATE_HZ)), list_of_edits, media)


def mp4_tracks() -> bytes:
    """As many tracks as there may be, each with the largest index: 2 kB for 150 MB."""
    return _mp4(*(_track(nth + 1, _SAMPLES) for nth in range(6)))


def mp4_descriptions() -> bytes:
    """A decoder's configuration of 17 MB, the same bytes of the file, 360 times over: 18 MB for 6 GB."""
    config = b"\x03\x88\x80\x80\x80" + bytes(3) + b"\x04\x88\x80\x80\x80\x40\x15" + bytes(11) + b"\x05\x88\x8d\xcd\x40"
    tracks = [_track(nth + 1, 10, entries=60, extra=full(b"esds", config)) for nth in range(6)]
    return _mp4(*tracks, after=box(b"free", bytes(18_000_000)))


def mp4_edits() -> bytes:
    """Two thousand edits, each of the whole: 12 s of computing for 25 kB."""
    return _mp4(_track(1, 1_000, edits=2_000))


def mp4_covers() -> bytes:
    """Pictures, each smaller than any block may be."""
    covers = [box(b"covr", box(b"data", struct.pack(">II", 13, 0), _PICTURE)) for _ in range(25)]
    head = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    return _mp4(_track(1, 10), more=box(b"udta", full(b"meta", head, box(b"ilst", *covers))))


def mp4_fragments() -> bytes:
    """Two hundred thousand fragments of a sample, the last in time first: each has its place before all others."""
    pieces = [
        box(
            b"traf",
            box(b"tfhd", struct.pack(">IIIII", 0x020038, 1, 1_024, 1, 0)),
            full(b"tfdt", struct.pack(">I", 1_024 * (200_000 - nth))),
            box(b"trun", struct.pack(">IIi", 1, 1, 0)),
        )
        for nth in range(200_000)
    ]
    extends = box(b"mvex", full(b"trex", struct.pack(">IIIII", 1, 1, 1_024, 1, 0)))
    return _mp4(_track(1, 0), more=extends, after=box(b"moof", full(b"mfhd", bytes(4)), *pieces))


def element(name: str, *content: bytes) -> bytes:
    """An element of EBML, its size in eight bytes."""
    body = b"".join(content)
    return bytes.fromhex(name) + struct.pack(">Q", len(body) | 1 << 56) + body


def _webm(*more: bytes, tracks: int = 1, private: bytes = _OPUS) -> bytes:
    def track(nth: int) -> bytes:
        sound = element("e1", element("b5", struct.pack(">d", 48_000)), element("9f", b"\1"))
        number = bytes([nth + 1])
        codec = element("86", b"A_OPUS")
        return element(
            "ae",
            element("d7", number),
            element("73c5", number),
            element("83", b"\2"),
            codec,
            element("63a2", private),
            sound,
        )

    blocks = [element("a3", b"\x81", struct.pack(">hB", nth * 20, 0x80), b"\xf8\xff\xfe") for nth in range(10)]
    listed = element("1654ae6b", *map(track, range(tracks)))
    info = element("1549a966", element("2ad7b1", (1_000_000).to_bytes(3, "big")))
    return _EBML_HEAD + element("18538067", info, listed, *more, element("1f43b675", element("e7", b"\0"), *blocks))


def webm_private() -> bytes:
    """Tracks whose decoders want 4 MB each."""
    return _webm(tracks=40, private=_OPUS + bytes(4_000_000))


def webm_attachments() -> bytes:
    """Pictures again."""
    said = element("466e", b"a"), element("4660", b"image/jpeg")
    files = [element("61a7", *said, element("46ae", bytes([nth + 5])), element("465c", _PICTURE)) for nth in range(25)]
    return _webm(element("1941a469", *files))


def webm_tags() -> bytes:
    """Six hundred thousand tags of one letter."""
    tag = element("67c8", element("45a3", b"A"), element("4487", b"B"))
    return _webm(element("1254c367", element("7373", tag * 600_000)))


def _tagged(*frames: bytes) -> bytes:
    body = b"".join(frames)
    return b"ID3\4\0\0" + _seven(len(body)) + body + encoded(silence(1.0), "mp3", "libmp3lame")


def _seven(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def mp3_pictures() -> bytes:
    """The same in an ID3 tag."""
    body = b"\0image/jpeg\0\3\0" + _PICTURE
    return _tagged(*[b"APIC" + _seven(len(body)) + bytes(2) + body] * 25)


def mp3_texts() -> bytes:
    """Three hundred thousand names, each compared with all before it."""
    return _tagged(*(b"TXXX" + _seven(14) + bytes(3) + b"%08x" % nth + b"\0val!" for nth in range(300_000)))


@cache
def _flac_parts() -> tuple[bytes, bytes]:
    """A second's head with its one block that must be, and the rest of it."""
    file = encoded(silence(1.0), "flac", "flac")
    return file[:4] + b"\0" + file[5:42], file[42:]


def flac_pictures() -> bytes:
    """And in FLAC."""
    block = struct.pack(">II10sIIIIII", 3, 10, b"image/jpeg", 0, 1, 1, 24, 0, len(_PICTURE)) + _PICTURE
    head, rest = _flac_parts()
    return head + (b"\6" + len(block).to_bytes(3, "big") + block) * 25 + rest


def flac_comments() -> bytes:
    """Three hundred thousand names, as in an ID3 tag."""
    comments = b"".join(struct.pack("<I", 10) + b"%08x=b" % nth for nth in range(300_000))
    block = struct.pack("<II", 0, 300_000) + comments
    head, rest = _flac_parts()
    return head + b"\4" + len(block).to_bytes(3, "big") + block + rest


def ogg_comments() -> bytes:
    """And in Ogg, where pages have check sums."""
    comments = b"".join(struct.pack("<I", 10) + b"%08x=b" % nth for nth in range(150_000))
    return _ogg(_OPUS, b"OpusTags" + struct.pack("<II", 0, 150_000) + comments, *[b"\xf8\xff\xfe"] * 20)


def _ogg(*packets: bytes) -> bytes:
    pages: list[bytes] = []
    for packet in packets:
        lacing = [255] * (len(packet) // 255) + [len(packet) % 255]
        for at in range(0, len(lacing), 255):
            page = lacing[at : at + 255]
            flags = (0 if pages else 2) | (1 if at else 0)
            head = struct.pack("<4sBBqIII", b"OggS", 0, flags, 0 if at + 255 >= len(lacing) else -1, 1, len(pages), 0)
            whole = head + bytes([len(page), *page]) + packet[at * 255 : at * 255 + sum(page)]
            pages.append(whole[:22] + struct.pack("<I", _crc(whole)) + whole[26:])
    return b"".join(pages)


@cache
def _remainders() -> list[int]:
    table = []
    for byte in range(256):
        rest = byte << 24
        for _ in range(8):
            rest = (rest << 1 ^ (0x04C11DB7 if rest >> 31 else 0)) & 0xFFFFFFFF
        table.append(rest)
    return table


def _crc(page: bytes) -> int:
    table, rest = _remainders(), 0
    for byte in page:
        rest = (rest << 8 & 0xFFFFFFFF) ^ table[rest >> 24 ^ byte]
    return rest


def caf_information() -> bytes:
    """And in CAF."""
    chunks = {
        b"desc": struct.pack(">d4sIIIII", 16_000.0, b"aac ", 0, 0, 1_024, 1, 0),
        b"info": struct.pack(">I", 300_000) + b"".join(b"%07x\0v\0" % nth for nth in range(300_000)),
        b"data": bytes(1_004),
    }
    return b"caff\0\1\0\0" + b"".join(name + struct.pack(">q", len(body)) + body for name, body in chunks.items())


STUFFED = (
    mp4_tracks,
    mp4_descriptions,
    mp4_edits,
    mp4_covers,
    mp4_fragments,
    webm_private,
    webm_attachments,
    webm_tags,
    mp3_pictures,
    mp3_texts,
    flac_pictures,
    flac_comments,
    ogg_comments,
    caf_information,
)
"""Each takes more than a recording may have, of memory or of time."""
