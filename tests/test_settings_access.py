"""The settings of access: which are allowed, and the sentence for those that are not."""

from __future__ import annotations

import pytest

from earful.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"allowed_origins": "example.org"}, "allowed_origins must be origins"),
        ({"allowed_origins": "https://example.org/"}, "allowed_origins must be origins"),
        ({"allowed_origins": "https://*.example.org"}, "allowed_origins must be origins"),
        ({"allowed_origins": "https://a.org https://b.org"}, "allowed_origins must be origins"),
        ({"trusted_proxies": "proxy.example.org"}, "trusted_proxies must be addresses"),
        ({"trusted_proxies": "10.0.0.1/8"}, "trusted_proxies must be addresses"),
        ({"auth_options": '{"file": "keys"}'}, "auth_options mean nothing while auth is none"),
        ({"max_sessions_per_tenant": 0}, "max_sessions_per_tenant"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], why: str) -> None:
    """Before anybody could come in by it."""
    with pytest.raises(SettingsError, match=why):
        Settings.load(given, {})


def test_lists_have_commas() -> None:
    """And blanks, as people like."""
    settings = Settings.load(
        {"allowed_origins": " https://a.org, null ,http://b.org:8080", "trusted_proxies": "10.0.0.0/8, ::1,unix,*"}, {}
    )
    assert ("https://a.org", "null", "http://b.org:8080") == settings.origins()


def test_a_proxy_need_not_be_trusted() -> None:
    """Then every client is its socket's address."""
    assert "" == Settings.load({"trusted_proxies": ""}, {}).trusted_proxies


def test_by_default_anybody_may_come() -> None:
    """From any page."""
    assert ("none", ("*",)) == (Settings().auth, Settings().origins())
