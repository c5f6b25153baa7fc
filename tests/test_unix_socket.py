"""Unix sockets: made, shared, replaced where nobody listens, and removed by whoever made them."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from earful.listening import CannotListen, bind_path
from earful.settings import Settings
from earful.unix_socket import UnixSocketError, unix_listener


def refusal(path: Path) -> str:
    """Why no socket can be had at a path."""
    with pytest.raises(UnixSocketError) as caught, unix_listener(str(path), 0o600):
        pass
    return str(caught.value)


def test_it_has_its_permissions_and_is_gone_at_the_end(tmp_path: Path) -> None:
    """Also where it was closed before."""
    path = tmp_path / "s"
    with unix_listener(str(path), 0o600) as listener:
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        assert not listener.getblocking()
        listener.close()
    assert not path.exists()


def test_a_dead_ones_is_replaced(tmp_path: Path) -> None:
    """Nobody listens at what a killed server left."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with unix_listener(str(path), 0o600) as listener:
        listener.listen(1)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


@pytest.mark.parametrize("waiting", [0, 3])
def test_a_live_one_is_left_alone(tmp_path: Path, waiting: int) -> None:
    """Also one whose queue is full."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(path))
        owner.listen(waiting)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(waiting + 1)]
        for client in clients if waiting else []:
            client.connect(str(path))
        assert "a server listens on it" == refusal(path)
        for client in clients:
            client.close()
    assert path.exists()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """Nor can a socket be where there is no folder, or at a path that is too long for one."""
    path = tmp_path / "s"
    path.write_text("mine", "utf-8")
    assert "another file is there" == refusal(path)
    assert "another file is there" == refusal(tmp_path)
    assert "mine" == path.read_text("utf-8")
    assert "No such file or directory" == refusal(tmp_path / "gone" / "s")
    assert "AF_UNIX path too long" == refusal(Path("/" + "x" * 200))


def test_one_that_took_its_place_is_not_removed(tmp_path: Path) -> None:
    """Whoever made it removes it."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        with unix_listener(str(path), 0o600):
            other.bind(str(tmp_path / "other"))
            (tmp_path / "other").rename(path)
        assert path.exists()


def test_settings_say_where_and_for_whom(tmp_path: Path) -> None:
    """What cannot be had is a sentence that names the flag."""
    flags = {"uds": str(tmp_path / "s"), "uds_mode": "666"}
    with bind_path(Settings.load(flags, {}), 1), socket.socket(socket.AF_UNIX) as client:
        assert 0o666 == stat.S_IMODE((tmp_path / "s").stat().st_mode)
        client.connect(flags["uds"])
    flags["uds"] = str(tmp_path / "gone" / "s")
    wanted = f"Cannot listen at {flags['uds']!r}: No such file or directory; choose another path with --uds."
    with pytest.raises(CannotListen) as caught, bind_path(Settings.load(flags, {}), 1):
        pass
    assert wanted == str(caught.value)
