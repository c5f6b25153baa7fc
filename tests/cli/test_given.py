"""Which flags of `earful bench` go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.cli import bench, capacity, scenario
from earful.cli.commands import run
from earful.cli.given import Given

VALUES = {
    "--streams": "7",
    "--chunk-ms": "200",
    "--seconds": "5",
    "--warmup-s": "1",
    "--wav": "a.wav",
    "--start": None,
    "--duty": "0.7",
    "--idle": "50",
    "--connect-rate": "5",
    "--pid": "9",
    "--find": None,
    "--p99-ms": "500",
    "--json": "x.json",
    "--html": "x.html",
    "--session-s": "5",
    "--multiples": "7",
    "--retriers": "9",
    "--retry-ms": "50",
    "--ca": "ca.pem",
}


def flags_of(*names: str) -> list[str]:
    """A command line of these."""
    return [word for name in names for word in (name, VALUES[name]) if word is not None]


@pytest.mark.parametrize(
    ("mode", "ignored"),
    [
        ([], {"--html", "--session-s", "--multiples", "--retriers", "--retry-ms", "--p99-ms"}),
        (["--find"], {"--html", "--session-s", "--multiples", "--retriers", "--retry-ms"}),
        (["--json", "x"], {"--html", "--session-s", "--multiples", "--retriers", "--retry-ms"}),
        (
            ["--scenario", "sustained"],
            {
                *("--find", "--idle", "--connect-rate", "--warmup-s"),
                *("--session-s", "--multiples", "--retriers", "--retry-ms"),
            },
        ),
        (
            ["--scenario", "soak"],
            {"--find", "--idle", "--connect-rate", "--warmup-s", "--multiples", "--retriers", "--retry-ms"},
        ),
        (
            ["--scenario", "overload"],
            {"--find", "--idle", "--connect-rate", "--warmup-s", "--p99-ms", "--retry-ms"},
        ),
        (
            ["--capacity", "x"],
            {
                *("--chunk-ms", "--duty", "--find", "--p99-ms", "--json", "--html"),
                *("--session-s", "--multiples", "--retriers", "--retry-ms"),
            },
        ),
    ],
)
def test_what_would_be_ignored_is_refused(
    mode: list[str], ignored: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each flag that it is of no use to, with exit code 2 and by name; all others are taken."""
    for module, name in ((bench, "bench"), (capacity, "measure_capacity"), (scenario, "play")):
        monkeypatch.setattr(module, name, lambda *_, **__: 0)
    monkeypatch.setattr("earful.cli.trust.trust", lambda _: None)
    others = VALUES.keys() - set(mode)
    assert ignored == {name for name in others if run(["bench", *mode, *flags_of(name)]) == 2}
    err = capsys.readouterr().err
    assert len(ignored) == err.count("It would be ignored")
    assert all(f"Invalid value for {name}:" in err for name in ignored)


@pytest.mark.parametrize(
    ("flags", "flag", "said"),
    [
        ({"--scenario": "sustained", "--idle": 50}, "--idle", "with --scenario sustained"),
        ({"--capacity": "x", "--duty": 0.7}, "--duty", "with --capacity, which has chunks, duties, bounds"),
        ({"--capacity": "x", "--scenario": "ramp"}, "--scenario", "with --capacity, which"),
        ({"--html": "x"}, "--html", "without --scenario"),
        ({"--p99-ms": 50.0}, "--p99-ms", "without --find, --json or --scenario"),
        ({"--multiples": "7"}, "--multiples", "without --scenario overload"),
        ({"--scenario": "overload", "--retry-ms": 50}, "--retry-ms", "without --retriers"),
        ({"--scenario": "overload", "--retriers": 0, "--retry-ms": 50}, "--retry-ms", "without --retriers"),
        ({"--scenario": "ramp", "--retry-ms": 50}, "--retry-ms", "with --scenario ramp"),
    ],
)
def test_it_is_said_beside_what_it_is_of_no_use(flags: dict[str, object], flag: str, said: str) -> None:
    """Or what it needs."""
    named, sentence = Given(flags).ignored() or ("", "")
    assert flag == named
    assert sentence.startswith(f"It would be ignored {said}")


@pytest.mark.parametrize(
    "flags",
    [
        {"--scenario": "overload", "--retriers": 9, "--retry-ms": 50},
        {"--scenario": "overload", "--p99-ms": 50.0, "--html": "x"},
        {"--scenario": "ramp", "--p99-ms": 50.0},
        {"--find": True, "--p99-ms": 50.0, "--idle": 5, "--connect-rate": 5.0},
    ],
)
def test_what_does_something_together_is_taken(flags: dict[str, object]) -> None:
    """Nothing is said."""
    assert None is Given(flags).ignored()


@given(st.sets(st.sampled_from(sorted({*VALUES, "--capacity", "--scenario"}))))
def test_whoever_leaves_out_what_is_named_is_left_with_what_does_something(names: set[str]) -> None:
    """And with all that says what is measured."""
    flags: dict[str, object] = dict.fromkeys(names, "overload")
    while (ignored := Given(flags).ignored()) is not None:
        del flags[ignored[0]]
    mode = next((name for name in ("--capacity", "--scenario") if name in names), None)
    assert mode is None or mode in flags
    assert names & {"--streams", "--seconds", "--wav", "--start", "--pid", "--ca"} <= flags.keys()


@pytest.mark.parametrize(
    "flags", [["--json", "x", "--html", "./x"], ["--json", "-", "--html", "-"]], ids=["a file", "stdout"]
)
def test_two_results_do_not_go_to_one_place(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One would be written over."""
    assert 2 == run(["bench", "--scenario", "ramp", *flags])
    assert "Only one of --json and --html can go to" in capsys.readouterr().err
