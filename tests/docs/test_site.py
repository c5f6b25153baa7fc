"""The site: it builds strictly, has every page, and asks nothing of anybody but itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.docs.pages import ROOT
from tests.support.chromium import chromium, pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = ROOT / "docs"
PLENTY_S = 60


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose one Python name is of no interest here."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def nav_pages(entry: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from nav_pages(part)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does; a warning fails it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        timeout=PLENTY_S,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (0, "") == (built.returncode, built.stdout + built.stderr)
    return folder


def test_the_navigation_has_every_page_once() -> None:
    """A page that is new gets its line in mkdocs.yml, under `nav`."""
    nav = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), _Loader)["nav"]  # noqa: S506 - a safe loader of our own

    assert sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")) == sorted(nav_pages(nav))


@pytest.mark.timeout(PLENTY_S)
def test_no_page_loads_from_elsewhere(site: Path) -> None:
    """Scripts, styles, pictures and fonts are the site's own, and no page draws with what would be fetched for it."""
    loads = re.compile(
        r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>"""
        r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)[^>]*\bhref=["']?(?:https?:)?//[^>]*>"""
        r"""|@import[^;]*//|url\(["']?(?:https?:)?//[^)]*\)"""
        r"""|class=["']?mermaid"""
    )
    texts = {path: path.read_text("utf-8") for path in site.rglob("*") if path.suffix in {".html", ".css"}}

    assert [] == [(path.name, found) for path, text in texts.items() for found in loads.findall(text)]
    assert len(texts) > len(list(DOCS.rglob("*.md")))
    assert [] == [path.name for path, text in texts.items() if "```" in text], "a block is not read as one"


@pytest.mark.e2e
@pytest.mark.timeout(PLENTY_S)
def test_a_browser_finds_everything_at_home(site: Path) -> None:
    """It searches, follows a link into the source, complains of nothing, and asked no other address."""
    with pages(site) as url, chromium() as browser:
        browser.go(f"{url}/tour.html?q=cursor")
        browser.await_true("document.querySelectorAll('.md-search-result__item a').length > 3")
        asked = browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        linked = browser.run("return document.querySelector('a[href$=\"session.py.txt\"]').href")
        status = browser.run("return (await fetch(values[0])).status", linked)
        complaints = browser.log()

    assert ([], [], 200) == ([name for name in asked if not name.startswith(f"{url}/")], complaints, status)
