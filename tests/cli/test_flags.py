"""Flags: one for every setting, and a sentence for what is none."""

from __future__ import annotations

import pytest

from earful.cli.flags import load_settings, settings_parser
from earful.settings import Settings, SettingsError, flag_of

PARSER = settings_parser("serve", "Run the server.")


def test_every_setting_has_its_flag() -> None:
    """Help shows each with its description, what it takes and its default."""
    shown = " ".join(PARSER.format_help().split())
    for name, field in Settings.model_fields.items():
        assert f"{flag_of(name)} VALUE" in shown
        assert str(field.description) in shown
    assert "a whole number from 0 to 65535; default 8000." in shown
    assert "Takes text; default memory://." in shown
    assert "Takes a whole number from 1 to 100000000; default none." in shown


@pytest.mark.parametrize("arguments", [["--port", "1"], ["--port=1"]])
def test_both_spellings_are_read(arguments: list[str]) -> None:
    """With a space or with an equals sign."""
    _, settings = load_settings(PARSER, arguments, {"EARFUL_PORT": "2"})
    assert (1, "flag --port") == (settings.port, settings.source_of("port"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--prt", "1"], "--prt is not a flag of `earful serve`; the nearest is --port."),
        (["--prt=1"], "--prt is not a flag of `earful serve`; the nearest is --port."),
        (["--xyzzy"], "--xyzzy is not a flag of `earful serve`; `earful serve --help` lists the flags."),
        (["here"], "`earful serve` does not know what to do with 'here'; it takes flags only."),
        (["--port"], "Argument --port: expected one argument; `earful serve --help` lists the flags."),
        (["--max-session", "1"], "--max-session is not a flag of `earful serve`; the nearest is --max-sessions."),
    ],
)
def test_what_is_no_flag_is_one_sentence(arguments: list[str], sentence: str) -> None:
    """No page of usage; and an abbreviation is no flag."""
    with pytest.raises(SettingsError) as caught:
        load_settings(PARSER, arguments, {})
    assert sentence == str(caught.value)


def test_a_store_that_cannot_be_one_is_one_sentence() -> None:
    """With where it came from, and without the URL: it may have a password in it."""
    with pytest.raises(SettingsError) as caught:
        load_settings(PARSER, [], {"EARFUL_STORE": "redis://:hush@"})
    said = "The store's URL must name its hosts as host:port, several of them with commas between"
    assert f"{said} (environment EARFUL_STORE)." == str(caught.value)
