"""Bodies onto the spool: where they lie, when they are refused, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from tests.support.house import temporary_files
from tests.support.sounds import form

from earful.errors import EarfulError, ErrorCode
from earful.transport.spool import SPOOL_BYTES, spooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from starlette.types import Message

MAX_BYTES = 4 * SPOOL_BYTES
PIECE_BYTES = 1 << 16
NO_FILE = "The form has no file in its field named file."
NO_FORM = "The form cannot be read; send multipart/form-data with one file, in the field named file."


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary directory: empty afterwards, and no file in it is open any more."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert [] == list(tmp_path.iterdir())
    assert [] == temporary_files()


class Body:
    """A request whose body comes in pieces; `asked` counts them, `then` happens instead of its end."""

    def __init__(
        self,
        pieces: Iterable[bytes],
        headers: Mapping[str, str] | None = None,
        then: Callable[[], object] | None = None,
    ) -> None:
        self.asked = 0
        self._pieces = iter(pieces)
        self._then = then
        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        self.request = Request({"type": "http", "method": "POST", "headers": raw}, self._receive)

    async def _receive(self) -> Message:
        self.asked += 1
        piece = next(self._pieces, None)
        if piece is not None:
            return {"type": "http.request", "body": piece, "more_body": True}
        if self._then is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        self._then()
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}


def cut(data: bytes, size: int = PIECE_BYTES) -> list[bytes]:
    """The pieces a server would give."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def spool(
    body: bytes | Body,
    headers: Mapping[str, str] | None = None,
    look: Callable[[BinaryIO], Any] = lambda file: file.read(),
) -> Any:
    """What `look` sees of the spooled file."""
    arriving = body if isinstance(body, Body) else Body(cut(body), headers)

    async def main() -> Any:
        async with spooled(arriving.request, MAX_BYTES) as file:
            return look(file)

    return asyncio.run(main())


def at_start(file: Any) -> tuple[bytes, bool]:
    """Everything from the beginning, and whether it lies on disk."""
    file.seek(0)
    return file.read(), bool(file._rolled)


@pytest.mark.parametrize("wrap", [lambda data: (data, {}), form], ids=["raw", "form"])
@pytest.mark.parametrize(
    ("size", "on_disk"), [(1, False), (SPOOL_BYTES, False), (SPOOL_BYTES + 1, True), (MAX_BYTES, True)]
)
def test_up_to_a_mebibyte_stays_in_memory(
    size: int,
    on_disk: bool,  # noqa: FBT001 - pytest passes it by name
    wrap: Callable[[bytes], tuple[bytes, dict[str, str]]],
) -> None:
    """What is larger goes to disk, up to the limit itself, also where its length is told."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    body, headers = wrap(data)
    for told in ({}, {"content-length": str(len(body))}):
        assert (data, on_disk) == spool(body, headers | told, at_start)


def test_a_file_on_disk_has_no_name(directory: Path) -> None:
    """So nothing can stay, even where the process is killed."""

    def look(_: BinaryIO) -> tuple[int, int]:
        return len(list(directory.iterdir())), len(temporary_files())

    assert (0, 1) == spool(bytes(SPOOL_BYTES + 1), look=look)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=50), min_size=1).filter(any), st.integers(1, 40))
def test_however_it_is_cut(lines: list[bytes], size: int) -> None:
    """The same bytes arrive, as a body and as a form's field."""
    data = b"\r\n".join(lines)
    assert data == spool(Body(cut(data, size)), look=at_start)[0]
    body, headers = form(data)
    assert data == spool(Body(cut(body, size), headers))


def refusal(body: bytes | Body, headers: Mapping[str, str] | None = None) -> tuple[ErrorCode, str]:
    """Code and sentence."""
    with pytest.raises(EarfulError) as refused:
        spool(body, headers)
    return refused.value.code, refused.value.text


def endless(head: bytes = b"") -> Iterator[bytes]:
    """A body without end."""
    yield head
    while True:
        yield bytes(PIECE_BYTES)


@pytest.mark.parametrize("told", [{}, {"content-length": "5"}])
def test_too_much_is_refused_while_it_comes(told: dict[str, str]) -> None:
    """After the first byte too many, whatever length was claimed."""
    body = Body(endless(), told)
    assert (ErrorCode.TOO_LARGE, "An upload may have at most 4.1943 MB.") == refusal(body)
    assert MAX_BYTES // PIECE_BYTES + 2 == body.asked


def test_too_large_a_form_is_refused_while_it_comes() -> None:
    """Its own bytes come on top, at most a mebibyte."""
    head, headers = form(b"")
    body = Body(endless(head.removesuffix(b"\r\n--edge--\r\n")), headers)
    assert ErrorCode.TOO_LARGE is refusal(body)[0]
    assert (MAX_BYTES + SPOOL_BYTES) // PIECE_BYTES + 1 == body.asked


def test_a_forms_file_has_the_same_limit() -> None:
    """One byte more is refused, though the form may be larger than the file."""
    body, headers = form(bytes(MAX_BYTES + 1))
    assert ErrorCode.TOO_LARGE is refusal(body, headers)[0]


@pytest.mark.parametrize("headers", [{}, {"content-type": "multipart/form-data; boundary=x"}])
def test_a_claim_is_refused_before_anything_is_read(headers: dict[str, str]) -> None:
    """Four gibibytes need not be sent to be too many."""
    body = Body([], headers | {"content-length": str(4 << 30)})
    assert ErrorCode.TOO_LARGE is refusal(body)[0]
    assert 0 == body.asked


def test_nothing_is_no_audio() -> None:
    """A body without a byte, a file without one."""
    assert ErrorCode.NOT_AUDIO is refusal(b"")[0]
    assert (ErrorCode.NOT_AUDIO, "The file is empty.") == refusal(*form(b""))


@pytest.mark.parametrize(
    ("body", "headers", "text"),
    [
        (*form(b"data", field="other"), NO_FILE),
        (*form(b"data", name=None), NO_FILE),
        (b"--edge--\r\n", form(b"")[1], NO_FILE),
        (b"", form(b"")[1], NO_FORM),
        (b"RIFF without any edge", form(b"")[1], NO_FORM),
        (form(b"data")[0], {"content-type": "multipart/form-data"}, NO_FORM),
        (b"--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n--edge--\r\n", form(b"")[1], NO_FORM),
        (form(b"a", field="a", end=b"\r\n")[0] + form(b"b")[0].removeprefix(b"--edge\r\n"), form(b"")[1], NO_FORM),
    ],
    ids=["other field", "text", "no part", "nothing", "no edge", "no boundary", "no name", "two files"],
)
def test_a_form_that_cannot_be_used(body: bytes, headers: dict[str, str], text: str) -> None:
    """Each with a sentence, no exception's words."""
    assert (ErrorCode.BAD_REQUEST, text) == refusal(body, headers)


def test_other_fields_do_not_matter() -> None:
    """A form may say more."""
    body, headers = form(b"data")
    assert b"data" == spool(
        form(b"en", field="language", name=None, end=b"\r\n")[0] + body.removeprefix(b"--edge\r\n"), headers
    )


def test_the_type_of_a_form_may_be_in_capitals() -> None:
    """Types are."""
    body, _ = form(b"data")
    assert b"data" == spool(body, {"content-type": "Multipart/Form-Data; boundary=edge"})


@pytest.mark.parametrize("size", [100, 2 * SPOOL_BYTES])
def test_a_form_that_breaks_off_leaves_nothing(size: int) -> None:
    """Its end is missing, so is its file."""
    body, headers = form(bytes(size))
    assert (ErrorCode.BAD_REQUEST, NO_FORM) == refusal(body[: len(body) // 2], headers)


WRAPS = [(b"", {}), (form(b"")[0].removesuffix(b"\r\n--edge--\r\n"), form(b"")[1])]


@pytest.mark.parametrize(("head", "headers"), WRAPS, ids=["raw", "form"])
@pytest.mark.parametrize("size", [100, 3 * SPOOL_BYTES])
def test_who_leaves_in_mid_body_leaves_nothing(head: bytes, headers: dict[str, str], size: int) -> None:
    """It is the client's error, and no fault to be logged."""
    body = Body([head, *cut(bytes(size))], headers, then=lambda: None)
    assert (ErrorCode.BAD_REQUEST, "The connection ended before the body did.") == refusal(body)


@pytest.mark.parametrize(("head", "headers"), WRAPS, ids=["raw", "form"])
def test_who_is_cancelled_in_mid_body_leaves_nothing(head: bytes, headers: dict[str, str]) -> None:
    """As at the end of a drain."""

    async def main() -> tuple[bool, list[str]]:
        body = Body([head, *cut(bytes(3 * SPOOL_BYTES))], headers, then=lambda: running.cancel())  # noqa: PLW0108 - it is made below
        running = asyncio.create_task(_enter(body))
        await asyncio.wait({running})
        return running.cancelled(), temporary_files()

    assert (True, []) == asyncio.run(main())


async def _enter(body: Body) -> None:
    async with spooled(body.request, MAX_BYTES):
        raise AssertionError("the body never ended")


@pytest.mark.parametrize("wrap", [lambda data: (data, {}), form], ids=["raw", "form"])
def test_whatever_happens_to_the_recording_it_is_gone(wrap: Callable[[bytes], tuple[bytes, dict[str, str]]]) -> None:
    """Also where the scope fails."""

    def fail(_: BinaryIO) -> None:
        assert 1 == len(temporary_files())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spool(*wrap(bytes(2 * SPOOL_BYTES)), look=fail)
