"""Uploads as a body comes: the same file or the same refusal however it is cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import Request
from tests.fuzz.cutting import cut

from earful.errors import EarfulError, ErrorCode
from earful.transport.spool import spooled

if TYPE_CHECKING:
    from starlette.types import Message

MAX_BYTES = 400
HEAD_BYTES = 3
_TYPE = b"multipart/form-data; boundary=b"
_PART = b'--b\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
_FILE = _PART % (b"file", b'; filename="f"', b"RIFF\r\n--\r\n")
SEEDS = (
    b"\x00\x05\x01RIFF",
    b"\x01\x03\x01" + _FILE + b"--b--\r\n",
    b"\x01\xff\x01" + _PART % (b"more", b"", b"1") + _FILE + b"--b--",
    b"\x01\x01\x02" + _PART % (b"file", b"", b"a field") + b"--b--\r\n",
    b"\x01\x80\x00" + _FILE,
    b"\x01\x02\x01\r\n" + _FILE + b"--b--\r\n",
    b"\x01\x02\x01\nc" + _FILE + b"--b--\r\n",
    b"\x02\x10\x10" + _FILE + b"--b--\r\n",
)
_TYPES = (b"audio/wav", _TYPE, b"multipart/form-data", b'multipart/form-data; boundary="b"')
CODES = {ErrorCode.BAD_REQUEST, ErrorCode.NOT_AUDIO, ErrorCode.TOO_LARGE}


def check(data: bytes) -> None:
    """A file or a row of the table, the same for every way to cut the body; a plain body is the file."""
    if len(data) < HEAD_BYTES:
        return
    kind, steps, body = _TYPES[data[0] % len(_TYPES)], data[1:HEAD_BYTES], data[HEAD_BYTES:]
    whole = asyncio.run(_told(kind, [body]))
    assert whole == asyncio.run(_told(kind, list(cut(body, steps)) or [b""]))
    if isinstance(whole, ErrorCode):
        assert whole in CODES, whole
    elif kind == _TYPES[0]:
        assert body == whole
    else:
        assert whole in body
        assert 0 < len(whole) <= MAX_BYTES


async def _told(kind: bytes, pieces: list[bytes]) -> bytes | ErrorCode:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}, receive)
    try:
        async with spooled(request, MAX_BYTES) as file:
            file.seek(0)
            return file.read()
    except EarfulError as error:
        return error.code
