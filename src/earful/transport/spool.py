"""An upload's body onto a spool: in memory up to 1 MiB, then on disk in a file without a name.

Refuses while still reading once the limit is passed; nothing is left behind, however it ends. Writing
to disk happens in a worker thread, in pieces, so that large bodies do not hold up the event loop.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from earful.errors import EarfulError, ErrorCode
from earful.service.thread import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.datastructures import Headers
    from starlette.requests import Request

SPOOL_BYTES = 1 << 20
_FILE_FIELD = "file"
_MAX_FIELDS = 16


@asynccontextmanager
async def spooled(request: Request, max_bytes: int) -> AsyncIterator[BinaryIO]:
    """The uploaded recording as a seekable file, closed and gone when the scope ends.

    Raises EarfulError: `too_large` while reading, `bad_request` for a form without the field `file` and for
    a body that breaks off, `not_audio` for an empty one.
    """
    is_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    # A form's own bytes come on top of the file's.
    most_bytes = max_bytes + SPOOL_BYTES if is_form else max_bytes
    claimed = request.headers.get("content-length", "")
    if claimed.isdecimal() and int(claimed) > most_bytes:
        raise _too_large(max_bytes)
    async with aclosing(_limited(request, most_bytes, max_bytes)) as pieces:
        if is_form:
            async with _from_form(request, pieces, max_bytes) as file:
                yield file
        else:
            with SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
                await _write(cast("BinaryIO", file), pieces)
                yield cast("BinaryIO", file)


async def _limited(request: Request, most_bytes: int, max_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async with aclosing(request.stream()) as pieces:
        try:
            async for piece in pieces:
                received += len(piece)
                if received > most_bytes:
                    raise _too_large(max_bytes)
                yield piece
        except ClientDisconnect:
            raise EarfulError(ErrorCode.BAD_REQUEST, "The connection ended before the body did.") from None


async def _write(file: BinaryIO, pieces: AsyncIterator[bytes]) -> None:
    held: list[bytes] = []
    held_bytes = 0
    total = 0
    async for piece in pieces:
        held.append(piece)
        held_bytes += len(piece)
        if held_bytes >= SPOOL_BYTES:
            total += await in_thread(file.write, b"".join(held))
            held, held_bytes = [], 0
    total += file.write(b"".join(held)) if total == 0 else await in_thread(file.write, b"".join(held))
    if total == 0:
        raise EarfulError(
            ErrorCode.NOT_AUDIO, "The body is empty; send the recording as the body or as the field file."
        )


class _FormParser(MultiPartParser):
    """Refuses a form that breaks off, too: its files are closed where parsing fails, and only there."""

    def __init__(self, headers: Headers, pieces: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers, self._whole(pieces), max_files=1, max_fields=_MAX_FIELDS)
        self._is_over = False

    def on_end(self) -> None:
        self._is_over = True

    async def _whole(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        has_begun = False
        async for piece in pieces:
            # The parser looks behind empty lines for a boundary, but only in the piece that they are in.
            rest = piece if has_begun else piece.lstrip(b"\r\n")
            has_begun = has_begun or bool(rest)
            yield rest
        if not self._is_over:
            raise MultiPartException("the last part does not end")


@asynccontextmanager
async def _from_form(request: Request, pieces: AsyncGenerator[bytes, None], max_bytes: int) -> AsyncIterator[BinaryIO]:
    try:
        form = await _FormParser(request.headers, pieces).parse()
    except (MultiPartException, MultipartParseError, KeyError):
        text = "The form cannot be read; send multipart/form-data with one file, in the field named file."
        raise EarfulError(ErrorCode.BAD_REQUEST, text) from None
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
