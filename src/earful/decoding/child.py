"""The fork server: has the decoder loaded, and decodes each recording in a fork of itself, within bounds.

Guarantees that a recording costs 64 MiB at most beyond what is loaded and a second of CPU time between two pieces of
PCM: the kernel sees to it, whatever the decoder does. Started as `-m earful.decoding.child` by `decoders.py`, whose end
is its own.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from earful.audio.container import open_audio
from earful.decoding.messages import ASK, WISH, Said, say, take
from earful.errors import EarfulError

if TYPE_CHECKING:
    from typing import BinaryIO

MOST_BYTES = 56 * 1024 * 1024
"""More of address space, and so of memory, a recording does not get; pages shared with the server come on top."""
MOST_CPU_S = 0.8
"""More of CPU time it does not get until its next piece of PCM; the rest of the second is for what is around it."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def serve(line: socket.socket) -> None:
    """Decode each recording that is asked for, side by side, until whoever asks has gone."""
    while True:
        asked, descriptors, _, _ = socket.recv_fds(line, ASK.size, 2)
        if not asked:
            return
        with suppress(OSError):  # Where there can be no other process, its line ends before it has begun.
            if os.fork() == 0:
                line.close()
                decode(*descriptors, *ASK.unpack(asked))
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def decode(recording: int, line: int, max_s: float, max_bytes: int) -> None:
    """Decode the file with that descriptor for whoever is at the other end of that line; kill this process above it."""
    with socket.socket(fileno=line) as asker, os.fdopen(recording, "rb") as file, suppress(OSError, EOFError):
        say(asker, Said.BEGUN)
        limit_memory()
        try:
            _answer(asker, file, max_s, max_bytes)
        except EarfulError as error:
            say(asker, Said.REFUSED, f"{error.code}\n{error.text}".encode())
        except MemoryError:
            return
        except (OSError, EOFError):
            raise
        except Exception as error:  # noqa: BLE001 - the worker tells it: as its own fault, which it is
            say(asker, Said.FAILED, type(error).__name__.encode())


def _answer(asker: socket.socket, file: BinaryIO, max_s: float, max_bytes: int) -> None:
    limit_time()
    with open_audio(file, max_s=max_s, max_bytes=max_bytes) as decoder:
        say(asker, Said.PCM)
        while True:
            (seconds,) = WISH.unpack(take(asker, WISH.size))
            say(asker, Said.PCM, decoder.read(seconds))
            limit_time()


def limit_memory() -> None:
    """Bound what this process may have beyond what it has; where the system does not tell that, it is not bounded."""
    with suppress(FileNotFoundError):
        most = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE_BYTES + MOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # It would have what was said in it.


def limit_time() -> None:
    """Have the kernel kill this process after so much CPU time from now: Python does not look while FFmpeg computes."""
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S)


def main(line: int) -> None:
    """Serve whoever is at the other end of the socket with the descriptor `line`."""
    for number in (signal.SIGINT, signal.SIGTERM):  # Whoever ends a whole group means the worker, which has a drain.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the forks: the kernel forgets them.
    with suppress(ImportError):  # Without the extra each recording is refused for it.
        import_module("earful.audio.ffmpeg")
    gc.freeze()  # What is shared with the forks stays shared.
    serve(socket.socket(fileno=line))


if __name__ == "__main__":
    main(int(sys.argv[1]))
