"""Whom a command trusts over TLS: what the system trusts, or the certificates in one file (`--ca`).

Set as OpenSSL's own variable, for the command's process: whatever connects in it asks OpenSSL whom to trust.
"""

from __future__ import annotations

import os
import ssl

import typer


def trust(ca: str | None) -> None:
    """Trust those in this PEM file, where there is one, instead of the system's. Raises typer.BadParameter."""
    if ca is None:
        return
    try:
        ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:  # SSLError is one of the first.
        reason = "it has no certificate in PEM" if isinstance(error, ssl.SSLError) else error
        raise typer.BadParameter(f"{ca} cannot be used: {reason}.", param_hint="--ca") from None
    os.environ["SSL_CERT_FILE"] = ca
