"""Origins are compared whole."""

from __future__ import annotations

import pytest

from earful.access.origins import Origins

PAGE = "https://app.example.org"


@pytest.mark.parametrize(
    ("sent", "is_allowed"),
    [
        ([], True),
        ([PAGE], True),
        (["HTTPS://App.Example.ORG"], True),
        (["null"], False),
        ([""], False),
        (["http://app.example.org"], False),
        ([PAGE + ":8443"], False),
        ([PAGE + "/"], False),
        (["https://example.org"], False),
        (["https://evil-app.example.org"], False),
        (["https://app.example.org.evil.net"], False),
        (["https://evil.net?https://app.example.org"], False),
        (["https://user@app.example.org"], False),
        (["https://app.example.org, https://evil.net"], False),
        (["https://\u0430pp.example.org".encode().decode("latin-1")], False),
        ([PAGE, "https://evil.net"], False),
    ],
)
def test_only_those_listed_are_allowed(sent: list[str], is_allowed: bool) -> None:  # noqa: FBT001 - parameter
    """None is sent by what is no browser; suffixes, look-alikes, other ports and schemes are others."""
    headers = [(b"host", b"x"), *((b"origin", origin.encode("latin-1")) for origin in sent)]
    assert is_allowed == Origins([PAGE, "https://other.example.org"]).allow(headers)


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ("https://a.org:443", "https://a.org"),
        ("HTTP://A.org:80", "http://a.org"),
        ("https://[2001:db8::443]:443", "https://[2001:db8::443]"),
        ("https://a.org:80", "https://a.org:80"),
        ("http://a.org:443", "http://a.org:443"),
        ("https://a.org:8443", "https://a.org:8443"),
        ("app://a.org:443", "app://a.org:443"),
    ],
)
def test_the_port_that_a_scheme_has_anyway_may_be_listed(listed: str, sent: str) -> None:
    """No browser sends it."""
    origins = Origins([listed])
    assert origins.allow([(b"origin", sent.encode())])
    assert not origins.allow([(b"origin", f"{sent}:80".encode())])


def test_null_is_allowed_where_it_is_listed() -> None:
    """A page from a file, or in a sandbox."""
    assert Origins(["null"]).allow([(b"origin", b"null")])


def test_a_star_allows_all() -> None:
    """As long as nothing is said, every page may come."""
    assert (True, True, False) == (
        Origins(["*"]).allow([(b"origin", b"https://evil.net")]),
        Origins(["*"]).allows_all,
        Origins([PAGE]).allows_all,
    )
