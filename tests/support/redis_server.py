"""A real redis-server that keeps nothing on disk, on a free port of 127.0.0.1; and whole sets of them.

Guarantees that each is gone when its scope ends, frozen ones too. It can be killed, restarted empty, frozen and
emptied. `ask` is for tests alone: on a connection of its own, with a deadline.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from tests.support.server import await_true

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
PATIENCE_S = 10.0
_TRIES = 5


@dataclass(slots=True)
class RedisServer:
    """One process; `options` are lines of its configuration."""

    port: int
    folder: Path
    options: tuple[str, ...] = ()
    is_sentinel: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it is, for the setting `store`."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers. Raises RedisConnectionError where it does not."""
        lines = (f"port {self.port}", f"bind {HOST}", f"dir {self.folder}", *self.options)
        conf = self.folder / f"{self.port}.conf"
        conf.write_text("\n".join(lines), encoding="utf-8")
        command = ["redis-server", str(conf), *(["--sentinel"] if self.is_sentinel else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        await_true(self._is_up)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None

    def freeze(self) -> None:
        """Let it be there and do nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def ask(self, *command: str | int | bytes) -> Any:
        """One command; its reply, with text decoded."""
        options = dict(option.split(" ", 1) for option in self.options if option.startswith("requirepass"))
        with Redis(
            host=HOST,
            port=self.port,
            password=options.get("requirepass"),
            socket_timeout=PATIENCE_S,
            decode_responses=True,
            protocol=2,
        ) as client:
            return client.execute_command(*command)

    def _is_up(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise RedisConnectionError(f"redis-server on port {self.port} has ended")
        try:
            return bool(self.ask("INFO", "server")["process_id"] == self.process.pid)
        except RedisError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None:
            raise AssertionError("it is not running")
        self.process.send_signal(number)


@contextmanager
def running_redis(*options: str, port: int = 0) -> Iterator[RedisServer]:
    """A server of one's own; `port` where it must be a certain one."""
    with _servers() as start:
        yield start("save ''", *options, port=port)


@dataclass(frozen=True, slots=True)
class Sentinels:
    """A master, a replica, and three sentinels that watch them."""

    service: str
    data: tuple[RedisServer, RedisServer]
    sentinels: tuple[RedisServer, ...]

    @property
    def url(self) -> str:
        """Where they are."""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{self.service}"

    def master(self) -> RedisServer:
        """Whom the first sentinel takes for the master."""
        _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return next(server for server in self.data if server.port == int(port))


@contextmanager
def running_sentinels() -> Iterator[Sentinels]:
    """All five, and agreed: the sentinels know each other and the replica, which is up to date."""
    service = "directory"
    with _servers() as start:
        master = start("save ''", "repl-diskless-sync-delay 0")
        replica = start("save ''", f"replicaof {HOST} {master.port}", "repl-diskless-sync-delay 0")
        watching = (
            f"sentinel monitor {service} {HOST} {master.port} 2",
            f"sentinel down-after-milliseconds {service} 500",
            f"sentinel failover-timeout {service} 2000",
        )
        sentinels = tuple(start(*watching, is_sentinel=True) for _ in range(3))
        await_true(lambda: master.ask("INFO", "replication")["connected_slaves"] == 1)
        for sentinel in sentinels:
            await_true(lambda sentinel=sentinel: _agreed(sentinel, service))
        yield Sentinels(service, (master, replica), sentinels)


@contextmanager
def running_cluster() -> Iterator[tuple[RedisServer, ...]]:
    """Three nodes that share all slots and know it."""
    with _servers() as start:
        nodes = tuple(
            start(
                "save ''",
                "cluster-enabled yes",
                f"cluster-port {free_port()}",
                f"cluster-config-file nodes-{nth}.conf",
                "cluster-node-timeout 2000",
            )
            for nth in range(3)
        )
        bus = _pairs(nodes[0].ask("CONFIG", "GET", "cluster-port"))["cluster-port"]
        slots = ((0, 5460), (5461, 10_922), (10_923, 16_383))
        for epoch, (node, (low, high)) in enumerate(zip(nodes, slots, strict=True), 1):
            node.ask("CLUSTER", "ADDSLOTSRANGE", low, high)
            # As redis-cli does: nodes that choose one later believe the older owner of a slot that was moved meanwhile.
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            node.ask("CLUSTER", "MEET", HOST, nodes[0].port, bus)
        for node in nodes:
            await_true(lambda node=node: is_whole(node, len(nodes)))
        yield nodes


def cluster_url(nodes: tuple[RedisServer, ...]) -> str:
    """Where a cluster is."""
    return f"redis+cluster://{','.join(f'{HOST}:{node.port}' for node in nodes)}"


def is_whole(node: RedisServer, size: int) -> bool:
    """Whether a node of a cluster knows all the others, and all slots are served."""
    state = node.ask("CLUSTER", "INFO").split()
    return {"cluster_state:ok", f"cluster_known_nodes:{size}"} <= set(state)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _servers() -> Iterator[Callable[..., RedisServer]]:
    """A starter of servers, all of which end with the scope."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-")))

        def start(*options: str, port: int = 0, is_sentinel: bool = False) -> RedisServer:
            for _ in range(_TRIES):
                server = RedisServer(port or free_port(), folder, options, is_sentinel)
                stack.callback(server.kill)
                with suppress(RedisConnectionError):  # Somebody took the port.
                    server.start()
                    return server
            raise AssertionError("redis-server does not start")

        yield start


def _agreed(sentinel: RedisServer, service: str) -> bool:
    state = _pairs(sentinel.ask("SENTINEL", "MASTER", service))
    return (int(state["num-other-sentinels"]), int(state["num-slaves"])) == (2, 1)


def _pairs(reply: list[str]) -> dict[str, str]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
