"""`earful serve` over TLS and on a Unix socket: the same promises as on a plain port, on both transports."""

from __future__ import annotations

import os
import signal
import ssl
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.test_cli import check_refusal, run
from tests.e2e.test_workers import go_on, hear_ends, opening, pid_of, workers_of
from tests.support.certificate import make_certificate
from tests.support.raw import RawSocket
from tests.support.server import await_true, running
from tests.support.speech import SENTENCE, expected, finals, pieces

from earful.samples import sample

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Address

pytestmark = pytest.mark.e2e


def certified(directory: Path, **more: object) -> dict[str, Any]:
    """Settings with a certificate made for this test."""
    directory.mkdir(exist_ok=True)
    certificate, key = make_certificate(directory)
    return {"tls_cert": certificate, "tls_key": key, "max_speed": 0, **more}


def speak(address: Address) -> None:
    """Say the sentence and hear its final, over a connection of its own."""
    raw = RawSocket(address).upgrade()
    for piece in pieces(SENTENCE):
        raw.say_audio(piece)
    raw.say("stop")
    ((heard, code),) = hear_ends([raw])
    assert (1000, expected(SENTENCE)) == (code, finals(heard))


def check_upload(address: Address) -> None:
    """The sample recording, over REST."""
    answer = address.request("POST", "/v1/transcribe", sample().read_bytes())
    assert (200, True) == (answer.status, bool(answer.tree["text"]))


def shown(address: Address) -> str:
    """The certificate that a new connection is shown."""
    with address.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")


@pytest.mark.parametrize("transport", ["fast", "asgi"])
@pytest.mark.parametrize("workers", [1, 2])
def test_everything_is_served_over_tls(tmp_path: Path, transport: str, workers: int) -> None:
    """Streams, uploads, health; who speaks without it gets nothing, and costs no line of trouble in the log."""
    with running(**certified(tmp_path, transport=transport, workers=workers)) as server:
        assert server.log.wait_for("starting")["tls"]
        speak(server.address)
        check_upload(server.address)
        assert "ok" == server.address.get("/v1/health")["status"]
        with replace(server.address, tls=None).connect() as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP")


@pytest.mark.parametrize(("version", "is_served"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_older_than_1_2_is_refused(tmp_path: Path, version: str, is_served: bool) -> None:  # noqa: FBT001 - parameter
    """By the server: the client would speak it."""
    with running(**certified(tmp_path)) as server:
        assert server.address.tls is not None
        server.address.tls.minimum_version = server.address.tls.maximum_version = ssl.TLSVersion[version]
        server.address.tls.set_ciphers("DEFAULT@SECLEVEL=0")
        if is_served:
            speak(server.address)
        else:
            with pytest.raises(ssl.SSLError):
                server.address.connect()


def say_for_ever(raw: RawSocket) -> None:
    """Speak until the server has had enough."""
    while True:
        for piece in pieces(SENTENCE):
            raw.say_audio(piece)


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_a_reader_that_stops_is_closed_over_tls_too(tmp_path: Path, transport: str) -> None:
    """What it does not take is bounded, and it is closed in bounded time; others are served."""
    bounds = {"max_unsent_s": 1, "send_buffer_bytes": 4096, "mock_words_per_chunk": 100}
    with running(**certified(tmp_path, transport=transport, **bounds)) as server:
        raw = RawSocket(server.address, receive_buffer_bytes=2048).upgrade()
        with pytest.raises(OSError, match=r"reset|EOF|[Bb]roken pipe|timed out"):
            say_for_ever(raw)
        assert "slow_reader" == server.log.wait_for("session ended")["reason"]
        assert "ok" == server.address.get("/v1/health")["status"]
        raw.close()


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_a_drain_over_tls_gives_what_is_owed(tmp_path: Path, transport: str) -> None:
    """Finals and the close frame arrive."""
    with running(**certified(tmp_path, transport=transport)) as server:
        clients = opening(server.address, 4)
        server.signal()
        ends = hear_ends(clients)
        server.exit_code()
    assert {1012} == {code for _, code in ends}
    assert [True] * 4 == [bool(finals(heard)) for heard, _ in ends]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_new_certificate_is_shown_after_sighup(tmp_path: Path, workers: int) -> None:
    """To those who connect from then on; who is there loses nothing. Files that do not match change nothing."""
    settings = certified(tmp_path, workers=workers)
    unusable = "settings not read anew"
    with running(allowed={unusable}, **settings) as server:
        clients = opening(server.address, 6)
        before = settings["tls_cert"].read_text("utf-8")
        assert before == shown(server.address)

        other = certified(tmp_path / "other")
        settings["tls_key"].write_bytes(other["tls_key"].read_bytes())
        server.signal(signal.SIGHUP)
        told = server.log.wait_for(unusable, 10)
        assert "the key is not that of the certificate." in told["error"]
        assert before == shown(server.address)

        settings["tls_cert"].write_bytes(other["tls_cert"].read_bytes())
        server.signal(signal.SIGHUP)
        server.log.wait_for("settings read anew")
        if workers > 1:
            server.log.wait_for("all workers replaced")
            assert {1012} == {code for _, code in hear_ends(clients)}
        renewed = replace(server.address, tls=ssl.create_default_context(cafile=str(other["tls_cert"])))
        assert other["tls_cert"].read_text("utf-8") == shown(renewed)
        speak(renewed)
        if workers == 1:
            for raw in clients:
                go_on(raw)
            assert {1000} == {code for _, code in hear_ends(clients)}


def test_a_dead_worker_is_followed_with_the_certificate_that_was_read(tmp_path: Path) -> None:
    """Whatever the files hold by now."""
    settings = certified(tmp_path, workers=2)
    with running(allowed={"worker died"}, **settings) as server:
        before = workers_of(server, 2)
        address = server.address
        settings["tls_key"].unlink()
        os.kill(pid_of(server, 0), signal.SIGKILL)
        await_true(lambda: workers_of(server, 2)[0] != before[0])
        speak(address)


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("gone.pem", "key.pem", "No such file or directory."),
        ("certificate.pem", "other/key.pem", "the key is not that of the certificate."),
        ("certificate.pem", "certificate.pem", "one of them is not PEM, is encrypted, or has not what it is for."),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_files_that_cannot_be_used_end_the_start(tmp_path: Path, cert: str, key: str, said: str, workers: str) -> None:
    """With one sentence."""
    certified(tmp_path)
    certified(tmp_path / "other")
    flags = ["--tls-cert", str(tmp_path / cert), "--tls-key", str(tmp_path / key), "--workers", workers]
    check_refusal(run("serve", "--port", "0", *flags), said)


# Commands


@pytest.mark.parametrize("how", [["-", "--fast"], ["-", "--fast", "--plain"], [str(sample()), "--upload"]])
def test_commands_trust_a_file(tmp_path: Path, how: list[str]) -> None:
    """With `--ca` they speak to a server that the system would not trust; without it they say why not."""
    with running(**certified(tmp_path)) as server:
        ca = ["--ca", str(tmp_path / "certificate.pem")]
        speech = ["transcribe", *how, "--url", server.address.ws]
        done = run(*speech, *ca, stdin=SENTENCE)
        assert (0, True) == (done.returncode, bool(done.stdout)), done
        untrusting = run(*speech, stdin=SENTENCE)
        assert (1, True) == (untrusting.returncode, b"certificate verify failed" in untrusting.stderr), untrusting


def test_bench_trusts_a_file(tmp_path: Path) -> None:
    """The same, for streams in real time."""
    with running(**certified(tmp_path)) as server:
        load = ["bench", server.address.ws, "--streams", "2", "--seconds", "1", "--warmup-s", "0", "--json", "-"]
        done = run(*load, "--ca", str(tmp_path / "certificate.pem"))
        assert done.returncode in {0, 3}, done  # 3: this machine was busy.
        assert b"certificate verify failed" in run(*load).stderr


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("", "no certificate in PEM")])
def test_a_file_that_cannot_be_trusted_is_told(tmp_path: Path, content: str | None, why: str) -> None:
    """Before anything is connected."""
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content, "utf-8")
    done = run("transcribe", "-", "--ca", str(ca))
    assert (2, True) == (done.returncode, why in " ".join(done.stderr.decode().split())), done


# Unix sockets


@pytest.mark.parametrize("transport", ["fast", "asgi"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("has_tls", [False, True])
def test_everything_is_served_on_a_unix_socket(tmp_path: Path, transport: str, workers: int, has_tls: bool) -> None:  # noqa: FBT001 - parameter
    """With or without TLS; the file has the permissions asked for, and is gone at the end."""
    path = tmp_path / "earful.sock"
    more = certified(tmp_path) if has_tls else {"max_speed": 0}
    with running(uds=path, uds_mode="600", transport=transport, workers=workers, **more) as server:
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        speak(server.address)
        check_upload(server.address)
        assert str(path) == server.log.wait_for("starting")["uds"]
    assert not path.exists()


@pytest.mark.parametrize("transport", ["fast", "asgi"])
@pytest.mark.parametrize(("trusted", "peer"), [("unix", "198.51.100.2"), ("127.0.0.1", "")])
def test_a_proxy_on_a_unix_socket_is_trusted_by_its_word(
    tmp_path: Path, transport: str, trusted: str, peer: str
) -> None:
    """The last address that it says, never the first, which is the client's own; of streams and uploads alike."""
    check_peers(transport, peer, uds=tmp_path / "s", trusted_proxies=trusted)


@pytest.mark.parametrize("transport", ["fast", "asgi"])
@pytest.mark.parametrize(("trusted", "peer"), [("127.0.0.1", "198.51.100.2"), ("::1", "127.0.0.1")])
def test_a_proxy_has_its_own_address_on_a_socket_for_both_kinds(transport: str, trusted: str, peer: str) -> None:
    """That of IPv4, as the settings have it."""
    check_peers(transport, peer, host="::", trusted_proxies=trusted)


def check_peers(transport: str, peer: str, **settings: Any) -> None:
    """A stream and an upload through a proxy: whom the log says that they are from."""
    said = "203.0.113.9, 198.51.100.2"
    with running(transport=transport, **settings) as server:
        raw = RawSocket(server.address).upgrade(X_Forwarded_For=said)
        raw.say("stop")
        hear_ends([raw])
        forwarded = {"x-forwarded-for": said}
        assert 200 == server.address.request("POST", "/v1/transcribe", sample().read_bytes(), forwarded).status
        assert [peer, peer] == [server.log.wait_for(event, 1)["peer"] for event in ("session ended", "upload ended")]


def test_workers_share_a_unix_socket_through_deaths_and_rounds(tmp_path: Path) -> None:
    """Whoever connects is served by one that lives, and all are replaced on it."""
    with running(uds=tmp_path / "s", workers=2, max_speed=0, allowed={"worker died"}) as server:
        before = workers_of(server, 2)
        os.kill(pid_of(server, 0), signal.SIGKILL)
        for _ in range(10):
            assert "ok" == server.address.get("/livez")["status"]
        await_true(lambda: workers_of(server, 2)[0] != before[0])
        clients = opening(server.address, 6)
        server.signal(signal.SIGHUP)
        server.log.wait_for("all workers replaced")
        assert {1012} == {code for _, code in hear_ends(clients)}
        speak(server.address)


def test_a_dead_servers_socket_is_replaced_a_live_ones_is_not(tmp_path: Path) -> None:
    """Nor is a file that is none."""
    path = tmp_path / "earful.sock"
    with running(uds=path, exit_code=None) as server:
        check_refusal(run("serve", "--uds", str(path)), "a server listens on it; choose another path with --uds.")
        assert "ok" == server.address.get("/livez")["status"]
        server.signal(signal.SIGKILL)
        server.process.wait(30)
    assert path.exists()
    with running(uds=path) as server:
        assert "ok" == server.address.get("/livez")["status"]
    path.write_text("mine", "utf-8")
    check_refusal(run("serve", "--uds", str(path)), "another file is there; choose another path with --uds.")
    assert "mine" == path.read_text("utf-8")
