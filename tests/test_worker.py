"""What workers share: one port with a socket each. What they do as processes is in tests/e2e/test_workers.py."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from earful.listening import CannotListen, bind
from earful.settings import Settings
from earful.worker import bind_ports


def test_each_slot_has_a_socket_on_the_same_port() -> None:
    """A free one where 0 is asked for; each listens, and gets some of those who connect."""
    with ExitStack() as scope:
        listeners = [
            scope.enter_context(listener) for listener in bind_ports(Settings.load({"port": 0, "workers": 3}, {}))
        ]
        (port,) = {listener.getsockname()[1] for listener in listeners}
        for _ in range(200):
            scope.enter_context(socket.create_connection(("127.0.0.1", port)))
        waiting = [waiting_at(listener) for listener in listeners]
        assert 200 == sum(waiting)
        assert min(waiting) > 20


def waiting_at(listener: socket.socket) -> int:
    """How many connections wait to be accepted; afterwards none."""
    number = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def test_strangers_do_not_share() -> None:
    """Another server of ours, with one worker or several, is told that the port is in use; nothing is left open."""
    with ExitStack() as scope:
        first, second = bind_ports(Settings.load({"port": 0, "workers": 2}, {}))
        scope.enter_context(first)
        scope.enter_context(second)
        for workers in (1, 2):
            settings = Settings.load({"port": first.getsockname()[1], "workers": workers}, {})
            with pytest.raises(CannotListen, match="in use"):
                (bind if workers == 1 else bind_ports)(settings)
