"""Requests that the OpenAPI of a server of our own allows, and such as it does not, by schemathesis: all as it says.

python bench/rest_cases.py [--cases 10000] [--seconds 600] [--seed 1]

With and without a listener of its own for operations, no answer may be a server's error, or be other than its schema
says: status, type, headers and body. A request that no rule allows must be refused. `POST /v1/drain` is left out: it
would end the server, and has nothing to be varied.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Report, progress
from serving import served

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
LEFT_OUT = "/v1/drain"
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
"""
"""What counts as a refusal: as it is by default, and 413, for a body that is too large to be looked at."""
_AN_OPERATION = 300
"""Cases of one in a run: most have little to vary, and the next seed varies it anew."""
_LATE_S = 60
_CASES = re.compile(r"(\d[\d,]*) generated")


def try_cases(port: int, cases: int, seconds: int, seed: int, phases: str) -> tuple[int, bool]:
    """At most so many cases for each operation of a listener: how many there were, and whether all held."""
    with tempfile.TemporaryDirectory(prefix="rest-") as folder:
        Path(folder, "schemathesis.toml").write_text(CONFIG)
        done = subprocess.run(  # noqa: S603 - it is in the environment
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                f"http://127.0.0.1:{port}/openapi.json",
                f"--checks={','.join(CHECKS)}",
                f"--exclude-path={LEFT_OUT}",
                f"--max-examples={cases}",
                f"--seed={seed}",
                f"--phases={phases}",
                "--suppress-health-check=all",
                "--workers=1",  # With more, Python 3.11.7 fails now and then at parsing in several threads.
                "--continue-on-failure",
                "--warnings=off",
                "--no-color",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**os.environ, "COLUMNS": "160"},
            timeout=seconds,
            check=False,
        )
    found = _CASES.search(done.stdout)
    if done.returncode != 0:
        print(done.stdout)
    return int(found[1].replace(",", "")) if found else 0, done.returncode == 0


def measure(cases: int, seconds: int, seed: int, phases: str) -> int:
    """Try both listeners; the exit code."""
    report = Report("rest_cases")
    report.note("first seed", seed)
    for name, own in (("one listener", {}), ("operations listener", {"ops_port": 0})):
        with served(mock_latency_ms=0, max_upload_mb=1, **own) as server:
            starting = server.first("starting") or {}
            _measure_one(
                report, name, server.port if not own else starting["ops_ports"][0], cases // 2, seconds, seed, phases
            )
            report.equal(f"{name}: faults in the log", len(server.faults()), 0)
            report.equal(f"{name}: exit code", server.stop(), 0)
    return report.finish()


def _measure_one(report: Report, name: str, port: int, cases: int, seconds: int, seed: int, phases: str) -> None:
    end = time.monotonic() + seconds
    made, holds = 0, True
    while made < cases and holds and time.monotonic() < end:
        progress(f"{name}: {made} of {cases} cases")
        more, holds = try_cases(port, min(_AN_OPERATION, cases), seconds + _LATE_S, seed, phases)
        made, seed = made + more, seed + 1
    report.claim(f"{name}: cases", made, f"at least {cases}, all as they should", holds=holds and made >= cases)


def main() -> int:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=600, help="after so many no more are begun, for each of the two")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", default="examples,coverage,fuzzing")
    wanted = parser.parse_args()
    return measure(wanted.cases, wanted.seconds, wanted.seed, wanted.phases)


if __name__ == "__main__":
    sys.exit(main())
