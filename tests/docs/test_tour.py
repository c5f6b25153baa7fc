"""The tour: every file and name it points at is there, and no file of the source is left out."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, TOUR, links

SOURCE = ROOT / "src" / "earful"


def stops() -> list[tuple[str, str]]:
    """Label and path, from the project's root, of every file that the tour points at."""
    return [(label, (TOUR.parent / target).resolve().relative_to(ROOT).as_posix()) for label, target in links(TOUR)]


def test_every_file_exists() -> None:
    """Where the tour leads there is a file."""
    assert [] == [path for _, path in stops() if not (ROOT / path).is_file()]


def test_every_name_is_in_its_file() -> None:
    """A label such as `Session.receive` names what its file defines."""
    names = [(name, path) for label, path in stops() for name in named(label)]

    assert [] == [(name, path) for name, path in names if not is_defined(name, (ROOT / path).read_text("utf-8"))]


def test_labels_of_files_are_their_names() -> None:
    """A label that ends in .py or .js is the name of the file it leads to."""
    files = [(label.strip("`"), path) for label, path in stops() if label.endswith((".py`", ".js`"))]

    assert [] == [(label, path) for label, path in files if not path.endswith(f"/{label}")]


def test_no_file_is_left_out() -> None:
    """Every module of the source is on the way, or named as not being on it; empty packages need no word."""
    modules = {path.relative_to(ROOT).as_posix() for path in SOURCE.rglob("*.py") if path.name != "__init__.py"}

    assert set() == modules - {path for _, path in stops()}


def named(label: str) -> list[str]:
    """The identifiers in a label; none in one that is a file's name or plain words."""
    is_code = label.startswith("`") and not label.endswith((".py`", ".js`", ".toml`"))
    return label.strip("`").split(".") if is_code else []


def is_defined(name: str, source: str) -> bool:
    """Whether a file defines a class, function, attribute or constant of this name."""
    return re.search(rf"\b(?:class|def) {name}\b|^\s*(?:self\.)?{name}\b\s*[:=]", source, re.MULTILINE) is not None
