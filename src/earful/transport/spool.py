"""An upload's body onto a spool: in memory up to 1 MiB, then on disk in a file without a name.

Refuses while still reading once the limit is passed; nothing is left behind, however it ends. Writing
to disk happens in a worker thread, in pieces, so that large bodies do not hold up the event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.requests import Request

SPOOL_BYTES = 1 << 20
_FILE_FIELD = "file"
_MAX_FIELDS = 16


@asynccontextmanager
async def spooled(request: Request, max_bytes: int) -> AsyncIterator[BinaryIO]:
    """The uploaded recording as a seekable file, closed and gone when the scope ends.

    Raises EarfulError: `too_large` while reading, `bad_request` for a form without the field `file`,
    `not_audio` for an empty body.
    """
    claimed = request.headers.get("content-length", "")
    if claimed.isdecimal() and int(claimed) > max_bytes:
        raise _too_large(max_bytes)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        async with _from_form(request, max_bytes) as file:
            yield file
    else:
        with SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
            await _write(cast("BinaryIO", file), _limited(request, max_bytes))
            yield cast("BinaryIO", file)


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for piece in request.stream():
        received += len(piece)
        if received > max_bytes:
            raise _too_large(max_bytes)
        yield piece


async def _write(file: BinaryIO, pieces: AsyncIterator[bytes]) -> None:
    held: list[bytes] = []
    held_bytes = 0
    total = 0
    async for piece in pieces:
        held.append(piece)
        held_bytes += len(piece)
        if held_bytes >= SPOOL_BYTES:
            total += await asyncio.to_thread(file.write, b"".join(held))
            held, held_bytes = [], 0
    total += file.write(b"".join(held)) if total == 0 else await asyncio.to_thread(file.write, b"".join(held))
    if total == 0:
        raise EarfulError(ErrorCode.NOT_AUDIO, "The body is empty; send the recording as the body or as the field file.")


@asynccontextmanager
async def _from_form(request: Request, max_bytes: int) -> AsyncIterator[BinaryIO]:
    # The form's own bytes come on top of the file's.
    parser = MultiPartParser(
        request.headers, _limited(request, max_bytes + SPOOL_BYTES), max_files=1, max_fields=_MAX_FIELDS
    )
    try:
        form = await parser.parse()
    except (MultiPartException, MultipartParseError, KeyError):
        raise EarfulError(ErrorCode.BAD_REQUEST, "The form cannot be read as multipart/form-data.") from None
    try:
        upload = form.get(_FILE_FIELD)
        if not isinstance(upload, UploadFile):
            raise EarfulError(ErrorCode.BAD_REQUEST, "The form has no file in its field named file.")
        if not upload.size:
            raise EarfulError(ErrorCode.NOT_AUDIO, "The file is empty.")
        if upload.size > max_bytes:
            raise _too_large(max_bytes)
        yield upload.file
    finally:
        await form.close()


def _too_large(max_bytes: int) -> EarfulError:
    return EarfulError(ErrorCode.TOO_LARGE, f"An upload may have at most {max_bytes / 1e6:g} MB.")
