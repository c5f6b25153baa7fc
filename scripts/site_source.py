"""A hook of mkdocs for what GitHub reads and mkdocs does not: links to files beside docs/, blocks with a second word.

Guarantees that such a link leads to a copy in the site, under `source/`, and that one to nothing ends the build.
The second word (`json client`) becomes the block's title.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
_SPEAKER = re.compile(r"^```json (client|server)$", re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(\.\./[^()#\s]+)(?:#[^()\s]*)?(?=\))")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a copy of each file beside docs/ that a page links to."""
    for path in sorted({path for file in files.documentation_pages() for path in _paths_beside(file)}):
        if not (ROOT / path).is_file():
            raise PluginError(f"{path} is linked to, and is no file")
        files.append(File.generated(config, _copy_of(path), content=(ROOT / path).read_bytes()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs passes all by name
    """Lead the page's links to files beside docs/ to their copies, and title its messages."""
    here = posixpath.dirname(page.file.src_uri)

    def copied(link: re.Match[str]) -> str:
        path = _path_beside(here, link[1])
        return posixpath.relpath(_copy_of(path), here or ".") if path else link[0]

    return _SPEAKER.sub(r'```json title="\1"', _LINK.sub(copied, markdown))


def _paths_beside(file: File) -> set[str]:
    here = posixpath.dirname(file.src_uri)
    return {path for target in _LINK.findall(file.content_string) if (path := _path_beside(here, target))}


def _path_beside(here: str, target: str) -> str:
    """A link's path from the project's root; empty where it stays inside docs/."""
    path = posixpath.normpath(posixpath.join("docs", here, target))
    return "" if path.startswith("docs/") else path


def _copy_of(path: str) -> str:
    return f"source/{path}.txt"
