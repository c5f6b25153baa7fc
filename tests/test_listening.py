"""The sockets a server listens on, and the sentences where it cannot."""

from __future__ import annotations

import errno
import resource
import socket

import pytest

from earful.listening import CannotListen, bind, bind_failure, bind_ops, ops_url
from earful.settings import Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - that it is not told is what is tested


def test_a_free_port_is_found() -> None:
    """0 takes one; nothing is accepted yet, and accepted sockets will have a bounded send buffer."""
    with bind(Settings.load({"port": 0, "send_buffer_bytes": 8_192}, {})) as listener:
        assert 0 < listener.getsockname()[1]
        # The kernel doubles what it is asked for.
        assert 2 * 8_192 == listener.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert not listener.getblocking()
        with socket.socket() as client:
            assert 0 != client.connect_ex(listener.getsockname())


def test_a_port_in_use_is_told_at_once() -> None:
    """Also though the address may be used again right after its owner has gone."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"port {port} on 127.0.0.1 is in use.*--port"):
            bind(Settings.load({"port": port}, {}))


def test_a_port_is_had_by_one_alone() -> None:
    """Of two who bind it before either listens the second to listen is told; our own operations are no exception."""
    with bind(Settings.load({"port": 0}, {})) as first:
        port = first.getsockname()[1]
        settings = Settings.load({"host": "localhost", "port": port, "ops_port": port}, {})
        with bind(settings, backlog=1) as listener, socket.create_connection(listener.getsockname()):
            with pytest.raises(CannotListen, match=rf"port {port} on 127.0.0.1 is in use.*--ops-port"):
                bind_ops(settings)
            with pytest.raises(OSError, match="in use"):
                first.listen(1)


def test_a_host_may_be_a_name() -> None:
    """Looked up; one that is not known is told."""
    with bind(Settings.load({"host": "localhost", "port": 0}, {})) as listener:
        assert listener.getsockname()[0] in {"127.0.0.1", "::1"}
    with pytest.raises(CannotListen, match=r"not known.*--host"):
        bind(Settings.load({"host": "no such host.invalid", "port": 0}, {}))


def test_other_trouble_is_not_hidden() -> None:
    """Another address would not help a process that may open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="files"):
            bind(Settings.load({"port": 0}, {}))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("flags", ["", "ops-"])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EADDRINUSE, ""), "port 80 on 127.0.0.1 is in use"),
        (PermissionError(errno.EACCES, ""), "needs more rights"),
        (OSError(errno.EADDRNOTAVAIL, ""), "no address of this machine"),
        (socket.gaierror(-2, ""), "is not known"),
    ],
)
def test_an_address_that_cannot_be_had_is_explained(error: OSError, said: str, flags: str) -> None:
    """Each says what to do, and by which flag."""
    sentence = bind_failure(error, "127.0.0.1", 80, flags)
    assert sentence is not None
    assert said in sentence
    assert f"--{flags}" in sentence


def test_no_other_error_is_taken_for_the_address() -> None:
    """An unknown number is no explanation."""
    assert bind_failure(OSError("odd"), "127.0.0.1", 80) is None


def test_operations_have_an_address_where_it_is_asked_for() -> None:
    """A free one for 0, else the slot's: as many above the setting as the slot says. It listens at once."""
    assert bind_ops(Settings.load({}, {})) is None
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"port {port} on 127.0.0.1 is in use.*--ops-port"):
            bind_ops(Settings.load({"ops_port": port - 1}, {}), slot=1)
    for wanted in (0, port - 1):
        listener = bind_ops(Settings.load({"ops_port": wanted}, {}), slot=1)
        assert listener is not None
        with listener, socket.create_connection(listener.getsockname()):
            assert wanted in {0, listener.getsockname()[1] - 1}


@pytest.mark.parametrize(
    ("host", "root"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:"), (EVERYWHERE, "http://")]
)
def test_the_root_of_what_is_served(host: str, root: str) -> None:
    """As others can ask there: one on all addresses is not told as that."""
    listener = bind_ops(Settings.load({"ops_host": host, "ops_port": 0}, {}))
    assert listener is not None
    with listener:
        url = ops_url(listener)
        assert url.startswith(root)
        assert url.endswith(f":{listener.getsockname()[1]}")
        assert EVERYWHERE not in url


def test_what_is_not_served_has_no_root() -> None:
    """Nothing to tell."""
    assert "" == ops_url()


def test_a_machine_that_does_not_know_its_own_name_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may mean something to others."""
    monkeypatch.setattr(socket, "gethostname", lambda: "no such host.invalid")
    listener = bind_ops(Settings.load({"ops_host": EVERYWHERE, "ops_port": 0}, {}))
    assert listener is not None
    with listener:
        assert ops_url(listener).startswith("http://no such host.invalid:")
