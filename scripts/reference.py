"""Make the reference files of docs/ anew of the code: `make reference`. Tests hold them to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scripts import asyncapi, openapi, python_page

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[1] / "docs"
FILES: dict[str, Callable[[], str]] = {
    "asyncapi.yaml": asyncapi.text,
    "openapi.json": openapi.text,
    "rest.md": openapi.page,
    "python.md": python_page.page,
}

if __name__ == "__main__":
    for name, made in FILES.items():
        (DOCS / name).write_text(made(), "utf-8")
