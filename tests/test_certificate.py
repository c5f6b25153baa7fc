"""Certificates: files that can be used, files that cannot, and a new one in the place of an old one."""

from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.support.certificate import make_certificate

from earful.certificate import Certificate
from earful.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def settings(certificate: Path, key: Path | None) -> Settings:
    """Settings with these files."""
    flags = {"tls_cert": str(certificate)} | ({} if key is None else {"tls_key": str(key)})
    return Settings.load(flags, {})


def shown(certificate: Certificate) -> str:
    """What a client sees of it, without a socket."""
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(client_in, client_out)
    server = certificate.context.wrap_bio(client_out, client_in, server_side=True)
    for end in (client, server, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True) or b"")


def test_none_is_shown_where_none_is_asked_for() -> None:
    """A server without TLS."""
    assert Certificate.of(Settings.load({}, {})) is None


def test_one_file_may_have_both(tmp_path: Path) -> None:
    """The certificate and its key."""
    certificate, key = make_certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text("utf-8") + key.read_text("utf-8"), "utf-8")
    made = Certificate.of(settings(both, None))
    assert made is not None
    assert certificate.read_text("utf-8") == shown(made)


def test_a_new_one_is_shown_from_then_on_and_bad_files_change_nothing(tmp_path: Path) -> None:
    """The context stays the same, for the listener that has it."""
    files = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    others = make_certificate(tmp_path / "other")
    made = Certificate(settings(*files))
    assert files[0].read_text("utf-8") == shown(made)
    with pytest.raises(SettingsError, match="the key is not that of the certificate"):
        made.renew(settings(files[0], others[1]))
    assert files[0].read_text("utf-8") == shown(made)
    made.renew(settings(*others))
    assert others[0].read_text("utf-8") == shown(made)


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("gone.pem", "key.pem", "tls_cert 'gone.pem' cannot be read: No such file or directory."),
        ("certificate.pem", ".", "tls_key '.' cannot be read: Is a directory."),
        ("key.pem", "key.pem", "TLS cannot be served with tls_cert 'key.pem' and tls_key 'key.pem': {neither}."),
        ("certificate.pem", None, "TLS cannot be served with tls_cert 'certificate.pem': {neither}."),
        (
            "certificate.pem",
            "locked.pem",
            "TLS cannot be served with tls_cert 'certificate.pem' and tls_key 'locked.pem': {neither}.",
        ),
        (
            "certificate.pem",
            "rsa.pem",
            "TLS cannot be served with tls_cert 'certificate.pem' and tls_key 'rsa.pem': {stranger}.",
        ),
    ],
)
def test_files_that_cannot_be_used_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: str, key: str | None, said: str
) -> None:
    """It names the files, and asks no terminal for a password."""
    monkeypatch.chdir(tmp_path)
    make_certificate(tmp_path)
    for command in ("ec -in key.pem -aes256 -passout pass:hush -out locked.pem", "genrsa -out rsa.pem 2048"):
        openssl = ["openssl", *command.split()]
        subprocess.run(openssl, check=True, capture_output=True, timeout=60)
    words = {
        "neither": "one of them is not PEM, is encrypted, or has not what it is for",
        "stranger": "the key is not that of the certificate",
    }
    flags = {"tls_cert": certificate} | ({} if key is None else {"tls_key": key})
    with pytest.raises(SettingsError) as caught:
        Certificate(Settings.load(flags, {}))
    assert said.format(**words) == str(caught.value)
