"""Hold the coverage gates: a share of everything, all of the pure parts.

Reads the file that `coverage json` wrote. Ends with 1 and names what falls short. Called by `make unit`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OVERALL_PERCENT = 95.0
COMPLETE = (
    "src/earful/access/",
    "src/earful/backoff.py",
    "src/earful/protocol/",
    "src/earful/session/",
    "src/earful/audio/pcm.py",
    "src/earful/audio/vad.py",
    "src/earful/audio/wav.py",
    "src/earful/bench/figures.py",
    "src/earful/bench/frames.py",
    "src/earful/bench/ledger.py",
    "src/earful/bench/plan.py",
    "src/earful/bench/recording.py",
    "src/earful/bench/scenario/chart.py",
    "src/earful/bench/scenario/judgement.py",
    "src/earful/bench/scenario/outcome.py",
    "src/earful/bench/scenario/page.py",
    "src/earful/bench/scenario/recovery.py",
    "src/earful/bench/scenario/shape.py",
    "src/earful/bench/scenario/stretch.py",
    "src/earful/bench/scenario/talk.py",
    "src/earful/bench/scenario/timeline.py",
    "src/earful/bench/schedule.py",
    "src/earful/bench/search.py",
    "src/earful/bench/spoken.py",
    "src/earful/bench/tally.py",
    "src/earful/bench/voice.py",
    "src/earful/bench/window.py",
    "src/earful/captions.py",
    "src/earful/cli/advice.py",
    "src/earful/cli/amounts.py",
    "src/earful/cli/masking.py",
    "src/earful/cli/phrases.py",
    "src/earful/cli/story.py",
    "src/earful/client/address.py",
    "src/earful/client/chunks.py",
    "src/earful/client/core.py",
    "src/earful/client/losses.py",
    "src/earful/client/outage.py",
    "src/earful/client/pace.py",
    "src/earful/client/silence.py",
    "src/earful/doctor/proxy.py",
    "src/earful/doctor/service.py",
    "src/earful/engine/batching.py",
    "src/earful/engine/kept.py",
    "src/earful/engine/messages.py",
    "src/earful/models/agreement.py",
    "src/earful/models/draft.py",
    "src/earful/open_files.py",
    "src/earful/planning/",
    "src/earful/service/arrivals.py",
    "src/earful/service/buckets.py",
    "src/earful/service/headroom.py",
    "src/earful/service/ladder.py",
    "src/earful/service/loop_load.py",
    "src/earful/service/rates.py",
    "src/earful/settings_rules.py",
    "src/earful/store/address.py",
    "src/earful/store/breaker.py",
    "src/earful/store/bucket.py",
    "src/earful/store/memory.py",
    "src/earful/store/records.py",
    "src/earful/store/values.py",
    "src/earful/telemetry/stall.py",
    "src/earful/telemetry/traceparent.py",
    "src/earful/testing/words.py",
    "src/earful/transport/body_pace.py",
)


def shortfalls(report: dict[str, Any]) -> list[str]:
    """A sentence for each gate that does not hold; lines and branches count alike."""
    overall = report["totals"]["percent_covered"]
    found = [f"{overall:.1f} % of everything is covered; {OVERALL_PERCENT:.0f} % are wanted."]
    found = found if overall < OVERALL_PERCENT else []
    for path, file in sorted(report["files"].items()):
        if path.startswith(COMPLETE) and file["summary"]["percent_covered"] < 100:  # noqa: PLR2004 - percent
            branches = [f"{start}->{end}" for start, end in file["missing_branches"]]
            found.append(f"{path} is not fully covered: lines {file['missing_lines']}, branches {branches}.")
    return found


def main(path: str) -> int:
    """Check the report at `path`; the exit code."""
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    found = shortfalls(report)
    print(*found or [f"coverage: {report['totals']['percent_covered']:.1f} %, the pure parts 100 %"], sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
