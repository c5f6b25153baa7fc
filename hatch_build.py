"""Compiles the chunk's way to C with mypyc when a wheel is built: the same code, for about a sixth less CPU.

Where it cannot (no C compiler) the wheel is built without, and works the same; the server's first log line says it.
`COMPILE_EARFUL=0` leaves it out, `COMPILE_EARFUL=1` fails where it cannot. Editable installs are never compiled.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED = (
    "audio/pcm",
    "audio/vad",
    "engine/batch",
    "engine/batches",
    "engine/batching",
    "engine/seat",
    "engine/tally",
    "models/voice",
    "protocol/codec",
    "service/connection",
    "service/headroom",
    "service/loop_load",
    "service/outbox",
    "service/throttle",
    "session/answers",
    "session/cursors",
    "session/deadlines",
    "session/life",
    "session/listener",
    "session/numbering",
    "session/numbers",
    "session/replies",
    "session/rules",
    "session/segmenter",
    "session/session",
    "session/speed",
    "session/transcript",
    "telemetry/events",
    "telemetry/histogram",
    "telemetry/metrics",
    "transport/acceptor",
    "transport/fast_connection",
    "transport/frames",
    "transport/origin",
    "transport/passage",
    "transport/turnstile",
    "transport/upgrade",
)
"""What runs for every chunk and for every refusal, and nothing else: the rest is waiting, start-up and rare paths.

Not engine/answers: it judges what users wrote, which may be of any type, and compiled code would raise first.
"""


class CompileHook(BuildHookInterface[Any]):
    """Puts the compiled modules into the wheel, beside their sources."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before the wheel's files are gathered."""
        wish = os.environ.get("COMPILE_EARFUL", "")
        if version == "editable" or wish == "0":
            return
        self._built = tempfile.TemporaryDirectory(prefix="earful-compile-")
        try:
            compile_to(Path(self.root), Path(self._built.name))
        except (Exception, SystemExit) as failure:
            if wish == "1":
                raise
            self.app.display_warning(f"earful is built without its compiled parts: {failure}")
            return
        for library in Path(self._built.name, "lib").rglob("*.so"):
            build_data["force_include"][str(library)] = str(library.relative_to(Path(self._built.name, "lib")))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Forget the compiler's files."""
        del version, build_data, artifact_path
        if hasattr(self, "_built"):
            self._built.cleanup()


def compile_to(root: Path, into: Path) -> None:
    """Compile `COMPILED` of the tree at `root`; the libraries are in `into`/lib, by their place in the package.

    Raises whatever the compiler raises, SystemExit included.
    """
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped]  # ships no types

    before = Path.cwd()
    os.chdir(root / "src")  # mypyc names modules by their place under the current directory
    try:
        # Without the project's own settings: the checks are `make types`, here libraries' types may be missing.
        options = ["--config-file=", "--ignore-missing-imports", "--explicit-package-bases", "--no-warn-unused-ignores"]
        sources = [f"earful/{module}.py" for module in COMPILED]
        extensions = mypycify(
            [*options, *sources], opt_level="3", debug_level="0", target_dir=str(into / "c"), group_name="earful"
        )
        command: Any = Distribution({"name": "earful", "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp, command.parallel = str(into / "lib"), str(into / "temp"), os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)


if __name__ == "__main__":
    compile_to(Path(__file__).parent, Path(sys.argv[1]))
