"""What a server shows of itself to clients that speak TLS: a certificate from PEM files, which can be renewed.

Guarantees TLS 1.2 or newer, and that files that cannot be used change nothing: they are one sentence
(`SettingsError`). Made by `server.py` and `worker.py` before anything is served.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Self

from earful.settings import SettingsError

if TYPE_CHECKING:
    from earful.settings import Settings

_STRANGERS = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""OpenSSL's reasons for a key of another certificate, by what kinds of keys the two have."""


class Certificate:
    """The certificate of a server, and the context that connections are made with."""

    def __init__(self, settings: Settings) -> None:
        """Read the files; raises SettingsError."""
        self._newest = _read(settings)
        self.context = self._newest
        """For the listener, for as long as it is there."""
        self.context.sni_callback = self._show_newest

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """That of the settings; None where they ask for none. Raises SettingsError."""
        return None if settings.tls_cert is None else cls(settings)

    def renew(self, settings: Settings) -> None:
        """Show what the files hold now to those who connect from now on. Raises SettingsError."""
        self._newest = _read(settings)

    def _show_newest(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called by OpenSSL for each client, whether or not it says a name.

        A context that is used must not be loaded anew: files that do not match would leave it with half of each.
        """
        del name, context
        connection.context = self._newest


def _read(settings: Settings) -> ssl.SSLContext:
    """A context with the files as they are now; raises SettingsError."""
    files = {name: path for name in ("tls_cert", "tls_key") if (path := getattr(settings, name)) is not None}
    for name, path in files.items():
        _look_at(name, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        # With an empty password an encrypted key fails, where without one OpenSSL would ask the terminal.
        context.load_cert_chain(files["tls_cert"], files.get("tls_key"), password="")
    except OSError as error:  # SSLError is one.
        named = " and ".join(f"{name} {path!r}" for name, path in files.items())
        raise SettingsError(f"TLS cannot be served with {named}: {_meaning(error)}.") from None
    return context


def _look_at(name: str, path: str) -> None:
    """See that a file can be read: OpenSSL does not say which one it could not. Raises SettingsError."""
    try:
        Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{name} {path!r} cannot be read: {reason}.") from None


def _meaning(error: OSError) -> str:
    if getattr(error, "reason", None) in _STRANGERS:
        return "the key is not that of the certificate"
    return "one of them is not PEM, is encrypted, or has not what it is for"
