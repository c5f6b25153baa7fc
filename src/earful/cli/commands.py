"""The tree of commands, with typer: what `earful --help` shows, and everything but `serve` itself.

Called by `__main__`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

import earful

if TYPE_CHECKING:
    from collections.abc import Sequence

# These commands read their own flags, made from the settings.
_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

_SERVER = "ws://127.0.0.1:8000"
_WORKER = "http://127.0.0.1:8000"
_CA = "For wss: trust the certificates in this file (PEM) instead of the system's."

app = typer.Typer(
    name="earful",
    help="The serving layer for streaming speech-to-text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def run(arguments: Sequence[str]) -> int:
    """Run a command line; the exit code."""
    try:
        code = app(args=list(arguments), prog_name="earful", standalone_mode=True)
    except SystemExit as end:
        code = end.code
    return code if isinstance(code, int) else 0


def _show_version(*, wanted: bool) -> None:
    if wanted:
        print(f"earful {earful.__version__}")
        raise typer.Exit


@app.callback()
def _earful(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda wanted: _show_version(wanted=wanted), is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Take what stands before a command."""


@app.command("serve", context_settings=_PASSED_ON, add_help_option=False)
def _serve(context: typer.Context) -> None:
    """Run the server; `earful serve --help` lists its flags."""
    from earful.cli.serve import serve

    raise typer.Exit(serve(context.args))


@app.command("config", context_settings=_PASSED_ON, add_help_option=False)
def _config(context: typer.Context) -> None:
    """Show every setting, its value, and where it came from."""
    from earful.cli.config import config

    raise typer.Exit(config(context.args))


@app.command("healthcheck", context_settings=_PASSED_ON, add_help_option=False)
def _healthcheck(context: typer.Context) -> None:
    """Tell by the exit code whether the server with the same settings lives: for a container's own check."""
    from earful.cli.healthcheck import healthcheck

    raise typer.Exit(healthcheck(context.args))


@app.command("doctor", context_settings=_PASSED_ON, add_help_option=False)
def _doctor(context: typer.Context) -> None:
    """Look for what keeps a server from keeping its promises: limits, store, proxy, a running service."""
    from earful.cli.doctor import doctor

    raise typer.Exit(doctor(context.args))


@app.command("transcribe")
def _transcribe(  # noqa: PLR0913 - typer makes the flags of it
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            show_default=False,
            help="Recordings, folders of them, or - for standard input: 16 kHz mono s16le, or WAV.",
        ),
    ] = None,
    urls: Annotated[
        list[str] | None,
        typer.Option("--url", show_default=_SERVER, help="An address; several are tried in turn."),
    ] = None,
    *,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as the server allows, not in real time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each message, one a line.")] = False,
    as_srt: Annotated[bool, typer.Option("--srt", help="Print SubRip captions.")] = False,
    as_vtt: Annotated[bool, typer.Option("--vtt", help="Print WebVTT captions.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="The plain protocol: one connection, no resuming.")] = False,
    uploads: Annotated[bool, typer.Option("--upload", help="Upload whole files instead of streaming them.")] = False,
    output: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write each to a file there, NAME.part until all of it is heard.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over transcripts and parts that are there.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=1000, help="So many recordings at once.")] = 4,
    mic: Annotated[bool, typer.Option("--mic", help="Listen to the microphone until Ctrl-C.")] = False,
    device: Annotated[
        str | None, typer.Option(help="Which, by name or number; file:PATH plays a recording as one.")
    ] = None,
    token_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file with the key or token to show to the server.")
    ] = None,
    ca: Annotated[str | None, typer.Option("--ca", help=_CA)] = None,
) -> None:
    """Stream recordings, or a microphone, to a server and show what it hears; a lost connection is resumed.

    Of a folder all recordings are taken, also those in folders below. Transcripts are printed in the order of the
    recordings, what else there is to say on stderr. The exit code is 0 where every recording was transcribed; one
    that fails costs no other. Of several each outlasts a server that refuses for now (429, 503), until none of them
    was heard for a minute; one alone is told at once.
    """
    from earful.cli.trust import trust
    from earful.cli.wanted import Wanted, WantedError, listen

    trust(ca)
    wanted = Wanted(
        tuple(names or ()),
        tuple(urls or [_SERVER]),
        fast=fast,
        as_json=as_json,
        as_srt=as_srt,
        as_vtt=as_vtt,
        plain=plain,
        uploads=uploads,
        output=output,
        force=force,
        jobs=jobs,
        mic=mic,
        device=device,
        token_file=token_file,
        terminal=sys.stdout.isatty(),
    )
    try:
        code = listen(wanted)
    except WantedError as error:
        raise typer.BadParameter(str(error)) from None
    raise typer.Exit(code)


@app.command("check-model")
def _check_model(
    model: Annotated[
        str, typer.Argument(help="As for `serve --model`: a name that comes with earful, or package.module:Class.")
    ],
    file: Annotated[str, typer.Option("--audio", help="A recording of speech; ten seconds of it are heard.")],
    options: Annotated[str, typer.Option(help="The model's options, a JSON object.")] = "{}",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try a model: does it keep the contract, how fast is it, and how many sessions should a worker hold.

    Exit code 0 where the contract is kept, 1 where it is broken or the model ended the process in which it was tried,
    2 where the model or the recording cannot be used.
    """
    from earful.cli.check_model import check_model

    raise typer.Exit(check_model(model, file=file, options=options, as_json=as_json))


@app.command("drain")
def _drain(url: Annotated[str, typer.Argument(help="The worker's address.")] = "http://127.0.0.1:8000") -> None:
    """Ask a server on this machine, with all its workers, to let nobody in, finish what it owes, and end."""
    from earful.cli.drain import drain

    raise typer.Exit(drain(url))


@app.command("key")
def _key(tenant: Annotated[str, typer.Argument(help="Whose key it is to be.")]) -> None:
    """Draw a key for a tenant, and print the line for the file of `auth=static`."""
    from earful.cli.key import key

    raise typer.Exit(key(tenant))


# An id may begin with a dash: one of an older release, or what somebody else has made up.
@app.command("why", context_settings={"ignore_unknown_options": True})
def _why(
    session: Annotated[str, typer.Argument(help="The session's id: x-session-id, `started`, or the log has it.")],
    urls: Annotated[
        list[str] | None,
        typer.Option(
            "--url", show_default=_WORKER, help="A worker's address, its operations listener's if it has one."
        ),
    ] = None,
) -> None:
    """Tell what happened to a session, live or ended in the last 15 minutes, and why it ended."""
    from earful.cli.why import why

    raise typer.Exit(why(session, urls or [_WORKER]))


@app.command("top")
def _top(
    urls: Annotated[
        list[str] | None,
        typer.Option(
            "--url", show_default=_WORKER, help="A worker's address, its operations listener's if it has one."
        ),
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print one frame.")] = False,
    sessions: Annotated[int, typer.Option(min=1, max=500, help="Show so many, the busiest.")] = 20,
) -> None:
    """Show all workers and their busiest sessions, live, until Ctrl-C."""
    from earful.cli.top import top

    raise typer.Exit(top(urls or [_WORKER], once=once, most_sessions=sessions))


@app.command("bench")
def _bench(  # noqa: PLR0913 - typer makes the flags of it
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The server's address.")] = "ws://127.0.0.1:8000",
    *,
    streams: Annotated[int, typer.Option(min=1, max=100_000, help="Live streams; with --find the first try.")] = 100,
    chunk_ms: Annotated[int, typer.Option(min=20, max=1000, help="Audio in each chunk.")] = 100,
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="How long is measured.")] = 10.0,
    warmup_s: Annotated[float, typer.Option(min=0, max=600, help="Spoken before that, and not measured.")] = 3.0,
    wav: Annotated[str | None, typer.Option(help="Speak this file, 16 kHz mono s16le, instead of the sample.")] = None,
    start: Annotated[bool, typer.Option("--start", help="Open each stream with `start`.")] = False,
    duty: Annotated[float, typer.Option(min=0.01, max=1, help="Share of the time that each stream speaks.")] = 1.0,
    idle: Annotated[int, typer.Option(min=0, max=100_000, help="Sessions besides that spoke 5 s and stay.")] = 0,
    connect_rate: Annotated[float, typer.Option(min=0, max=10_000, help="Handshakes a second besides.")] = 0.0,
    pid: Annotated[int | None, typer.Option(min=1, help="The server's process here: its CPU and memory.")] = None,
    find: Annotated[bool, typer.Option("--find", help="Find the most streams that hold --p99-ms.")] = False,
    p99_ms: Annotated[float, typer.Option(min=1, max=60_000, help="The p99 that is to hold.")] = 100.0,
    json_file: Annotated[str | None, typer.Option("--json", help="Write the result here, - for stdout.")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="A load that changes: ramp, sustained, spike, soak or overload.")
    ] = None,
    html_file: Annotated[str | None, typer.Option("--html", help="Write a scenario's page with pictures here.")] = None,
    session_s: Annotated[
        float, typer.Option(min=1, max=14_400, help="How long a session of soak or overload lasts.")
    ] = 10.0,
    multiples: Annotated[
        str, typer.Option(help="What overload offers, each for --seconds, as parts of --streams, its capacity.")
    ] = "0.5,1,2,5,10,0.5",
    retriers: Annotated[int, typer.Option(min=0, max=10_000, help="So many of overload's refused ask again.")] = 0,
    retry_ms: Annotated[int, typer.Option(min=10, max=60_000, help="How soon they do.")] = 100,
    capacity: Annotated[
        str | None, typer.Option(help="Find what one worker holds at several chunk sizes and duties; write it here.")
    ] = None,
    ca: Annotated[str | None, typer.Option("--ca", help=_CA)] = None,
) -> None:
    """Measure a server with streams in real time: latency from when a chunk was due to its answer.

    Only chunks within speech count, which WebRTC's VAD finds in the recording beforehand, at its strictest. The mock
    model answers every 100 ms of speech, so that smaller chunks wait for one another. Answers without a `sequence` do
    not say which chunk was heard: where a server sends none, all count as not answered, and the exit code is 1.

    Exit code 0 where nothing went wrong; 1 where streams were refused, lost or not answered, or an error came; 3 where
    this process itself was late, by a p99 above 10 ms, and the result is invalid.

    With --scenario the number of streams changes with time: ramp goes up to --streams within --seconds and tells where
    it bends; sustained stays there; spike jumps there and back; soak replaces each session when its time is over, lets
    some vanish and some read slowly; overload lets sessions arrive as they like, at multiples of --streams: below 1 for
    what is normal, above it, and below it again, then 13 s at least. What a run does not show is told as not judged.

    With --capacity what --find finds is found at 20, 100 and 200 ms chunks and duties of 1 and 0.4, from --streams on,
    for `earful plan`; where the server refused more while it was in time that is noted. Flags of no use are refused.
    """
    from earful.bench.plan import Plan
    from earful.cli.bench import bench
    from earful.cli.given import Given
    from earful.cli.trust import trust

    Given.of(context).check()
    trust(ca)
    plan = Plan(streams, chunk_ms, seconds, warmup_s, start, duty, idle, connect_rate, pid, p99_ms)
    if capacity is not None:
        from earful.cli.capacity import measure_capacity

        raise typer.Exit(measure_capacity(url, plan, wav=wav, file=capacity))
    if scenario is not None:
        from earful.cli.scenario import play, reject_unmeasurable, scenario_of

        asked = scenario_of(scenario, session_s, multiples, retriers, retry_ms)
        reject_unmeasurable(asked, plan)
        raise typer.Exit(play(url, asked, plan, wav=wav, json_file=json_file, html_file=html_file))
    raise typer.Exit(bench(url, plan, wav=wav, find=find, json_file=json_file))


@app.command("plan")
def _plan(  # noqa: PLR0913 - typer makes the flags of it
    *,
    sessions: Annotated[int, typer.Option(min=1, max=10_000_000, help="Live sessions at once, on average.")],
    duty: Annotated[float, typer.Option(min=0.01, max=1, help="Share of the time that each speaks.")] = 1.0,
    chunk_ms: Annotated[int, typer.Option(min=20, max=1000, help="Audio in each chunk.")] = 100,
    session_s: Annotated[float, typer.Option(min=1, max=14_400, help="How long a session lasts on average.")] = 300.0,
    headroom: Annotated[float, typer.Option(min=0, max=0.9, help="Share of each worker that is to be left.")] = 0.3,
    spare: Annotated[int, typer.Option(min=0, max=1000, help="Workers that may be lost together.")] = 1,
    binary: Annotated[bool, typer.Option("--binary", help="Clients send binary frames.")] = False,
    capacity: Annotated[
        str | None, typer.Option(help="What `earful bench --capacity` wrote.", show_default="the one shipped")
    ] = None,
    hours: Annotated[float, typer.Option(min=0.1, max=24, help="How long is simulated.")] = 1.0,
    deaths_per_day: Annotated[float, typer.Option(min=0, max=1000, help="How often a worker dies.")] = 1.0,
    restart_s: Annotated[int, typer.Option(min=1, max=86_400, help="How soon a dead worker is back.")] = 5,
    return_s: Annotated[int, typer.Option(min=1, max=600, help="How soon all its clients are back.")] = 3,
    balance: Annotated[str, typer.Option(help="least: to the worker with the fewest; random: to any.")] = "least",
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what a number of sessions needs, and how it would fare: refusals, and how long a lost worker hurts.

    Computed from a capacity file alone; no server is asked. The file that ships was measured with the mock model: with
    a model of your own, measure your own. One worker dies at least, unless --deaths-per-day is 0.
    """
    from earful.cli.plan import Weather, plan
    from earful.planning.estimate import Need

    if balance not in {"least", "random"}:
        raise typer.BadParameter(f"{balance} is neither least nor random.", param_hint="--balance")
    need = Need(
        sessions=sessions,
        duty=duty,
        chunk_ms=chunk_ms,
        session_s=session_s,
        headroom=headroom,
        spare=spare,
        is_binary=binary,
    )
    is_even = balance == "least"
    weather = Weather(
        hours=hours, deaths_per_day=deaths_per_day, restart_s=restart_s, return_s=return_s, is_even=is_even, seed=seed
    )
    raise typer.Exit(plan(need, weather, capacity_file=capacity, as_json=as_json))
