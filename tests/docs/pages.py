"""The documentation as tests see it: its pages, their links, their code blocks and their tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PROTOCOL = ROOT / "docs" / "protocol.md"
QUICKSTART = ROOT / "docs" / "quickstart.md"
BROWSER = ROOT / "docs" / "browser.md"
MODEL = ROOT / "docs" / "models.md"
TOUR = ROOT / "docs" / "tour.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))
LINKED = (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")

_LINK = re.compile(r"\[([^\[\]]+)\]\(([^()\s]+)\)")
_REFERENCE = re.compile(r"^\[[^\]]+\]: (\S+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def urls(page: Path) -> list[str]:
    """Every address of another site."""
    text = page.read_text("utf-8")
    return [target for _, target in _LINK.findall(text) if "://" in target] + _REFERENCE.findall(text)


def links(page: Path) -> list[tuple[str, str]]:
    """Label and target of every link that leads to a file or a heading of this project."""
    return [link for link in _LINK.findall(page.read_text("utf-8")) if "://" not in link[1]]


def blocks(page: Path, kind: str) -> list[str]:
    """What stands in the code blocks of this kind, such as `python` or `json client`."""
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [body for language, rest, body in found if f"{language}{rest}" == kind]


def tables(page: Path, *columns: str) -> list[list[str]]:
    """The rows of all tables with exactly these columns."""
    heading = f"| {' | '.join(columns)} |"
    found: list[list[str]] = []
    is_inside = False
    for line in page.read_text("utf-8").splitlines():
        is_inside = line == heading or (is_inside and line.startswith("|"))
        if is_inside and line != heading and not line.startswith("|---"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def slugs(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
