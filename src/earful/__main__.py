"""Where the command `earful` and `python -m earful` begin.

`serve` goes straight to its module: a server must answer within a second of its start, and typer,
which the other commands use, costs 40 to 70 ms of it even before the web framework is loaded. So does
`healthcheck`, which runs again and again.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        from earful.cli.serve import serve

        return serve(arguments[1:])
    if arguments[:1] == ["healthcheck"]:
        from earful.cli.healthcheck import healthcheck

        return healthcheck(arguments[1:])
    from earful.cli.commands import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
