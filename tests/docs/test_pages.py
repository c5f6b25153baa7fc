"""Every page: its links lead somewhere, its lines can be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tests.docs.pages import LINKED, PAGES, ROOT, links, slugs, urls

from earful.settings import Settings
from earful.settings_sources import FILE_FLAG

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 120


def name_of(page: Path) -> str:
    """A page's path from the project's root."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    """What a page links to is there."""
    targets = {target.partition("#")[0] for _, target in links(page)} - {""}

    assert [] == [target for target in sorted(targets) if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_links_lead_to_headings(page: Path) -> None:
    """A link into a page names one of its headings."""
    into = [target.partition("#") for _, target in links(page) if "#" in target]

    assert [] == [slug for path, _, slug in into if slug not in slugs(page.parent / path if path else page)]


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_addresses_of_others_are_well_formed(page: Path) -> None:
    """Only that: whether anybody answers there is not asked, for tests need no network."""
    parts = [urlsplit(url) for url in urls(page)]

    assert [] == [part for part in parts if part.scheme != "https" or "." not in part.netloc or " " in part.path]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_short(page: Path) -> None:
    """Prose keeps to the line length; tables, JSON and pictures may not be able to."""
    lines = page.read_text("utf-8").splitlines()

    assert [] == [
        line for line in lines if len(line) > LONGEST and not line.lstrip().startswith(("|", "{", "C", "[deepgram]"))
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_flags_are_settings(page: Path) -> None:
    """A flag of `earful` that a page names is a setting, or says where some are."""
    flags = re.findall(r"\bearful serve (--[a-z-]+)", page.read_text("utf-8"))

    known = {*Settings.model_fields, FILE_FLAG, "help"}
    assert [] == [flag for flag in flags if flag[2:].replace("-", "_") not in known]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_variables_are_settings(page: Path) -> None:
    """A variable that a page names is a setting, or says where some are."""
    variables = re.findall(r"\bEARFUL_([A-Z_]+)", page.read_text("utf-8"))

    known = {*Settings.model_fields, FILE_FLAG}
    assert [] == [variable for variable in variables if variable.lower() not in known]
