"""The page about installing: its table of extras is that of the project."""

from __future__ import annotations

import re
import tomllib

from tests.docs.pages import ROOT, tables

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
ROWS = tables(ROOT / "docs" / "installation.md", "extra", "installs", "for")


def test_every_extra_is_told() -> None:
    """Each once, and none that is not there."""
    assert [f"`{extra}`" for extra in EXTRAS] == sorted(
        (row[0] for row in ROWS), key=[*map("`{}`".format, EXTRAS)].index
    )


def test_an_extra_installs_what_is_told() -> None:
    """Whatever is installed besides is theirs."""
    told = {row[0].strip("`"): re.findall(r"`([^`]+)`", row[1]) for row in ROWS}
    named = {extra: [re.split(r"[\[=<>; ]", need)[0] for need in needs] for extra, needs in EXTRAS.items()}

    assert named | {"dev": told["dev"]} == told
