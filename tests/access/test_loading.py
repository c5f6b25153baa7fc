"""From the settings to the doorkeeper."""

from __future__ import annotations

import asyncio
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from tests.access.keys import ACME, SECRET, bearing, key_file, options, token_of
from tests.support.inside import Record

from earful.access.loading import gate_of
from earful.service.admission import Admission, Caller, TenantLimits
from earful.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


class Greeter:
    """Knows everybody by one name; limits are for the gate to add."""

    def __init__(self, name: str = "guest") -> None:
        self._name = name

    async def __call__(self, caller: Caller) -> Admission:
        """Let in."""
        del caller
        return Admission(self._name)


class Broken(Greeter):
    """Cannot be made."""

    def __init__(self) -> None:
        raise KeyError("secret")


class Plain:
    """Decides without a wait, which is not what is asked for."""

    def __call__(self, caller: Caller) -> Admission:
        """Let in."""
        del caller
        return Admission("guest")


def admitted(settings: Settings, caller: Caller) -> Admission:
    """As whom somebody comes in."""
    gate = gate_of(settings, Record())
    assert gate is not None
    return asyncio.run(gate(caller))


def test_by_default_nobody_is_asked() -> None:
    """Nor is there anybody to ask."""
    assert None is gate_of(Settings(), Record())


@pytest.mark.parametrize("given", [{"allowed_origins": "https://a.org"}, {"max_handshakes_per_s": 5.0}])
def test_what_holds_for_all_needs_no_keys(given: dict[str, Any]) -> None:
    """Who passes it is nobody in particular."""
    assert Admission() == admitted(Settings(**given), bearing("k"))


def test_both_that_ship_are_loaded(tmp_path: Path) -> None:
    """With the limits of the settings."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET, "utf-8")
    jwt_options = options(algorithms=["HS256"], key_file=str(secret))
    limits = TenantLimits(7, 0.0)
    for auth, given, credential in (
        ("static", options(file=str(key_file(tmp_path))), ACME),
        ("jwt", jwt_options, token_of()),
    ):
        settings = Settings.load({}, {"EARFUL_AUTH": auth, "EARFUL_AUTH_OPTIONS": given, **SEVEN})
        assert Admission("acme", limits) == admitted(settings, bearing(credential))


SEVEN = {"EARFUL_MAX_SESSIONS_PER_TENANT": "7"}


def test_one_of_your_own_is_loaded() -> None:
    """By its name, with its options."""
    settings = Settings(auth=f"{__name__}:Greeter", auth_options={"name": "me"})
    assert "me" == admitted(settings, bearing("k")).tenant


@pytest.mark.parametrize(
    ("auth", "given", "why"),
    [
        ("static", {}, "does not take these auth_options"),
        ("static", {"file": "none"}, "No such file"),
        ("static", {"file": "none", "key": "secret"}, "does not take these auth_options"),
        ("static", {"file": "secret\0"}, "could not be made: ValueError"),
        ("static", {"file": date(2026, 1, 1)}, "file: Expected str, got date"),
        ("static", {"file": "none", "log": "secret"}, "unknown field log"),
        ("static", {"file": ["secret"]}, "auth_options: file: Expected str, got array"),
        ("static", {"file": "none", "in_query": "false"}, "auth_options: in_query: Expected bool, got str"),
        ("static", {"file": "none", "in_query": 0}, "in_query: Expected bool, got int"),
        ("jwt", {}, "does not take these auth_options: Object missing required field algorithms"),
        *(
            ("jwt", {"algorithms": ["HS256"], "key_file": "none", name: value}, f"auth_options: {name}.*: Expected ")
            for name, value in {
                "algorithms": "secret",
                "key_file": 7,
                "jwks_file": None,
                "audience": 7,
                "issuer": ["a", 7],
                "tenant_claim": ["secret"],
                "operator_claim": None,
                "leeway_s": "10",
                "in_query": "false",
            }.items()
        ),
        ("statick", {}, "must be none, static, jwt or package.module:Class"),
        ("none_such.module:Class", {}, "cannot be imported: ModuleNotFoundError"),
        (f"{__name__}:Nothing", {}, "cannot be imported: AttributeError"),
        (f"{__name__}:Plain", {}, "no class with an async __call__"),
        (f"{__name__}:admitted", {}, "no class with an async __call__"),
        (f"{__name__}:Broken", {}, "could not be made: KeyError"),
        (f"{__name__}:Greeter", {"nam": "secret"}, "does not take these auth_options"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(auth: str, given: dict[str, Any], why: str) -> None:
    """Without a value of the options."""
    with pytest.raises(SettingsError, match=why) as refused:
        gate_of(Settings(auth=auth, auth_options=given), Record())
    assert "secret" not in str(refused.value)


def test_modules_beside_the_server_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the directory it was started in, once."""
    (tmp_path / "beside_the_server.py").write_text(
        "class Nobody:\n    async def __call__(self, caller):\n        return None\n", "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for _ in range(2):
        assert None is not gate_of(Settings(auth="beside_the_server:Nobody"), Record())
    assert 1 == sys.path.count(str(tmp_path))
    del sys.modules["beside_the_server"]


def test_without_its_extra_jwt_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """That says what to install."""
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(SettingsError, match=r"install earful\[jwt\]"):
        gate_of(Settings(auth="jwt", auth_options={"algorithms": ["HS256"], "key_file": "x"}), Record())
