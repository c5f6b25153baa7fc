"""Transcribe raw 16 kHz mono s16le from standard input, over any number of lost connections.

For instance: arecord -q -t raw -f S16_LE -r 16000 | python examples/resuming_client.py ws://one:8000 ws://two:8000
"""

from __future__ import annotations

import asyncio
import sys

from earful.client import ClientError, Final, Reconnecting, Resumed, transcribe


async def main(urls: list[str]) -> None:
    """Print each sentence when it is over, and what becomes of the connection."""
    async for result in transcribe(urls, sys.stdin.buffer, notes=True):
        match result:
            case Final(text=text) if text:
                print(text, flush=True)
            case Reconnecting(reason):
                print(f"reconnecting: {reason}", file=sys.stderr)
            case Resumed():
                print("resumed", file=sys.stderr)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:] or ["ws://127.0.0.1:8000"]))
    except ClientError as error:
        sys.exit(str(error))
