"""A certificate for 127.0.0.1 that signed itself, for tests over TLS."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WITHIN_S = 30.0


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """The files of the certificate and of its key, made in `directory`."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    what = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    whom = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    openssl = ["openssl", "req", *what, *whom, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(openssl, check=True, capture_output=True, timeout=_WITHIN_S)
    return certificate, key
