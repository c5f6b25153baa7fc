"""Which languages are told as they came."""

from __future__ import annotations

import pytest

from earful.service.language import OTHER, tag_of


@pytest.mark.parametrize(
    "language",
    [None, "en", "gsw", "EN", "en-GB", "en_GB", "es-419", "zh-Hant", "zh-Hant-TW", "sr-Latn-RS"],
)
def test_a_tag_is_told(language: str | None) -> None:
    """As it came."""
    assert language == tag_of(language)


@pytest.mark.parametrize(
    "language",
    [
        "",
        "e",
        "english",
        "sk-live-123456",
        "sl-nedis",
        "eyJhbGciOiJIUzI1NiJ9",
        "en-GB\n",
        "en GB",
        "en-",
        "ключ",
        "en-a-b-c-d",
    ],
)
def test_nothing_else_is_told(language: str) -> None:
    """Whatever it was."""
    assert OTHER == tag_of(language)
