"""The flags that `earful bench` was given, and those of them that would be ignored.

Guarantees that every flag that is taken does something. Used by `commands`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer

_ALWAYS = frozenset({"--streams", "--seconds", "--wav", "--start", "--pid", "--ca"})
_OF_A_STEP = frozenset({"--warmup-s", "--idle", "--connect-rate"})
_OF_ONE_KIND = frozenset({"--chunk-ms", "--duty", "--json"})
_OF_A_SCENARIO = _OF_ONE_KIND | {"--scenario", "--p99-ms", "--html"}
_OF_SCENARIOS = {
    "soak": frozenset({"--session-s"}),
    "overload": frozenset({"--session-s", "--multiples", "--retriers", "--retry-ms"}),
}
_NEEDS = {
    "--p99-ms": "--find, --json or --scenario",
    "--html": "--scenario",
    "--session-s": "--scenario soak or overload",
    "--multiples": "--scenario overload",
    "--retriers": "--scenario overload",
    "--retry-ms": "--retriers",
}


@dataclass(frozen=True, slots=True)
class Given:
    """Flags by their names, with their values: those that somebody wrote, not those that have their defaults."""

    flags: Mapping[str, object]

    @classmethod
    def of(cls, context: typer.Context) -> Given:
        """Those of a command line."""
        given: dict[str, object] = {}
        for option in context.command.params:
            source = option.name and context.get_parameter_source(option.name)
            if option.name and source and source.name == "COMMANDLINE" and option.opts[0].startswith("--"):
                given[option.opts[0]] = context.params[option.name]
        return cls(given)

    def check(self) -> None:
        """Refuse what would be ignored, or written over; raises typer.BadParameter."""
        import typer

        if (ignored := self.ignored()) is not None:
            flag, sentence = ignored
            raise typer.BadParameter(sentence, param_hint=flag)
        html, json = self.flags.get("--html"), self.flags.get("--json")
        if html is not None and json is not None and Path(str(html)).resolve() == Path(str(json)).resolve():
            raise typer.BadParameter(f"Only one of --json and --html can go to {html}.", param_hint="--html")

    def ignored(self) -> tuple[str, str] | None:
        """The first flag that would be ignored, if one would, and a sentence that says so."""
        taken = self._taken()
        flag = next((flag for flag in self.flags if flag not in taken), None)
        return None if flag is None else (flag, f"It would be ignored {self._where(flag)}: leave it out.")

    def _taken(self) -> frozenset[str]:
        """What does something beside the others."""
        if "--capacity" in self.flags:
            return _ALWAYS | _OF_A_STEP | {"--capacity"}
        if "--scenario" in self.flags:
            return self._taken_by_scenario(str(self.flags["--scenario"]))
        bound = {"--p99-ms"} if {"--find", "--json"} & self.flags.keys() else set()
        return _ALWAYS | _OF_A_STEP | _OF_ONE_KIND | {"--find"} | bound

    def _taken_by_scenario(self, name: str) -> frozenset[str]:
        taken = _ALWAYS | _OF_A_SCENARIO | _OF_SCENARIOS.get(name, frozenset())
        if not self.flags.get("--retriers"):
            taken -= {"--retry-ms"}
        if name == "overload" and "--html" not in self.flags:  # It promises none, and only draws it.
            taken -= {"--p99-ms"}
        return taken

    def _where(self, flag: str) -> str:
        if "--capacity" in self.flags:
            return "with --capacity, which has chunks, duties, bounds and a file of its own"
        if "--scenario" in self.flags and not (flag == "--retry-ms" and self.flags["--scenario"] == "overload"):
            return f"with --scenario {self.flags['--scenario']}"
        return f"without {_NEEDS[flag]}"
