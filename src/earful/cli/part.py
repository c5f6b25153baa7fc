"""A transcript's file while it grows: `NAME.part`, which becomes `NAME` when it is whole.

Guarantees that what was written is in the file whatever ends the program, that nothing is written over unasked, and
that whoever fails learns where the part is; one with nothing in it is taken away. Used by `batch.py`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO


class FileError(Exception):
    """A transcript cannot be written; the text is one sentence."""


@contextmanager
def growing(path: Path, *, overwrites: bool) -> Iterator[Callable[[str], None]]:
    """What writes pieces of the file at `path`, each at once; raises FileError, before anything else if it can.

    What leaves it by an exception has a note that names the part, where there is anything in it.
    """
    part = path.with_name(f"{path.name}.part")
    file = _opened(path, part, overwrites=overwrites)

    def write(text: str) -> None:
        with _failing_as_file_error(part):
            file.write(text)
            file.flush()  # What a microphone heard is not to be had again.

    try:
        yield write
        with _failing_as_file_error(path):
            file.close()
            _check_free(path, overwrites=overwrites)
            part.replace(path)
    except BaseException as error:
        with suppress(OSError):  # A full disk is full still.
            file.close()
        if _is_kept(part):
            error.add_note(f"What came before is in {part}.")
        raise


def _opened(path: Path, part: Path, *, overwrites: bool) -> TextIO:
    """The part, empty, and the folders that lead to it."""
    with _failing_as_file_error(path):
        _check_free(path, overwrites=overwrites)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path.parent} cannot be made: {error.strerror or error}.") from None
    with _failing_as_file_error(part):
        try:
            return part.open("w" if overwrites else "x", encoding="utf-8")
        except FileExistsError:
            raise FileError(
                f"{part} is there already, of one that did not end well; take it away, or --force writes over it."
            ) from None


def _check_free(path: Path, *, overwrites: bool) -> None:
    if path.exists() and not overwrites:
        raise FileError(f"{path} is there already; --force writes over it.")


def _is_kept(part: Path) -> bool:
    """Whether there is anything in it; else it is taken away."""
    with suppress(OSError):
        if part.stat().st_size:
            return True
        part.unlink()
    return False


@contextmanager
def _failing_as_file_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}.") from None
