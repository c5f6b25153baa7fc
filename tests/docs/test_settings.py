"""The page of settings is what the code makes, and each of its headings stands before a setting that there is."""

from __future__ import annotations

from tests.docs.pages import ROOT

from earful.cli.settings_page import GROUPS, settings_page
from earful.settings import Settings

PAGE = ROOT / "docs" / "settings.md"


def test_the_page_is_current() -> None:
    """Else: `earful config --markdown > docs/settings.md`."""
    assert settings_page() == PAGE.read_text("utf-8")


def test_every_setting_has_a_heading_above_it() -> None:
    """The first one begins a group, and so does each that GROUPS names."""
    names = list(Settings.model_fields)
    assert names[0] == next(iter(GROUPS))
    assert list(GROUPS) == [name for name in names if name in GROUPS]
