"""Where a store is: the URL of the setting `store`, taken apart and checked.

Guarantees that what is wrong with one is a sentence without the URL, since a password may be in it. Knows no
redis-py, so that settings can be checked without loading it. Used by `opening.py` and `clients.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable


class StoreUrlError(ValueError):
    """A store's URL cannot be used; the text is one sentence for whoever set it."""


_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?")
"""A URL's, of which something matches any text: RFC 3986, appendix B.

`urlsplit` takes no list of hosts with one in brackets, in Python 3.13 at least.
"""


class _Parts(NamedTuple):
    """What a URL is made of."""

    scheme: str
    netloc: str
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> _Parts:
        """Take it apart."""
        found = _PARTS.match(url)
        scheme, netloc, path, query = ("",) * 4 if found is None else found.groups(default="")
        return cls(scheme.lower(), netloc, path, query)


class StoreKind(Enum):
    """What answers at the address."""

    MEMORY = "memory"
    REDIS = "redis"
    SENTINEL = "redis+sentinel"
    CLUSTER = "redis+cluster"


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _choice(*choices: str) -> Callable[[str], str]:
    def choose(text: str) -> str:
        return choices[choices.index(text)]

    return choose


_DEFAULT_PORTS = {StoreKind.REDIS: 6379, StoreKind.SENTINEL: 26_379, StoreKind.CLUSTER: 6379}
_PORTS = range(1, 65_536)
_OPTIONS: dict[str, Callable[[str], Any]] = {
    "db": int,
    "sentinel_username": str,
    "sentinel_password": str,
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_cert_reqs": _choice("required", "optional", "none"),
    "ssl_check_hostname": _flag,
}
"""What may stand behind the `?`; but for the sentinels' credentials each is redis-py's own."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store's kind, its hosts with their ports, and how to speak to them."""

    kind: StoreKind
    hosts: tuple[tuple[str, int], ...] = ()
    tls: bool = False
    service: str = ""
    """What the sentinels call the one that is wanted."""
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    """Among them `username` and `password`."""

    @classmethod
    def parse(cls, url: str) -> StoreAddress:
        """Take apart a URL, or raise StoreUrlError.

        `memory://`, `redis://host:port/db`, `redis+sentinel://host:port,.../service`, `redis+cluster://host:port,...`;
        with `rediss` for TLS, `user:password@` before the hosts, options behind a `?`.
        """
        parts = _Parts.of(url)
        kind, tls = _kind(parts.scheme)
        if kind is StoreKind.MEMORY:
            if url != "memory://":
                raise StoreUrlError("The store memory:// takes nothing behind the slashes")
            return cls(kind)
        credentials, _, hosts = parts.netloc.rpartition("@")
        options = _options(parts.query) | _credentials(credentials)
        service = _place(kind, parts, options)
        address = cls(kind, _hosts(hosts, _DEFAULT_PORTS[kind]), tls, service, options)
        if kind is StoreKind.REDIS and len(address.hosts) > 1:
            raise StoreUrlError(
                "A store at redis:// has only one host; several are redis+sentinel:// or redis+cluster://"
            )
        if kind is StoreKind.CLUSTER and options.get("db"):
            raise StoreUrlError("A store at redis+cluster:// has only database 0")
        return address


def _kind(scheme: str) -> tuple[StoreKind, bool]:
    tls = scheme.startswith("rediss")
    try:
        return StoreKind(scheme.replace("rediss", "redis", 1)), tls
    except ValueError:
        known = "memory, redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster"
        raise StoreUrlError(f"The store's URL begins with {scheme or 'no scheme'}; it must be {known}") from None


def _credentials(text: str) -> dict[str, str]:
    username, _, password = text.partition(":")
    given = {"username": unquote(username), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}


def _hosts(text: str, default_port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_host(part, default_port) for part in text.split(","))


def _host(text: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = default_port if parts.port is None else parts.port
    except ValueError:
        port = 0
    else:
        if parts.hostname and port in _PORTS:
            return parts.hostname, port
    raise StoreUrlError("The store's URL must name its hosts as host:port, several of them with commas between")


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise StoreUrlError(f"The store's URL has the option {name}; there are {', '.join(_OPTIONS)}")
        try:
            found[name] = _OPTIONS[name](text)
        except ValueError:
            raise StoreUrlError(f"The store's URL has a value for {name} that cannot be used") from None
    return found


def _place(kind: StoreKind, parts: _Parts, options: dict[str, Any]) -> str:
    """What the path says: a database, which goes into `options`, or the service, which is given back."""
    path = parts.path.strip("/")
    if kind is StoreKind.SENTINEL:
        if not path:
            raise StoreUrlError("The URL of a store behind sentinels must end with /service, the name they know it by")
        return unquote(path)
    if kind is StoreKind.REDIS and path.isdecimal():
        options["db"] = int(path)
    elif path:
        raise StoreUrlError("The store's URL has a path that is no database's number")
    return ""
