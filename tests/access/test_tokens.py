"""Signed tokens: which are believed, and which settings are refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.access.keys import SECRET, bearing, caller, token_of
from tests.support.inside import Record

from earful.access.tokens import JwtOptions, JwtTokens
from earful.errors import EarfulError, ErrorCode
from earful.service.admission import Admission
from earful.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

PEM = serialization.Encoding.PEM


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """The one of this length; it takes a while to draw one."""
    return rsa.generate_private_key(65_537, bits)


def pair(bits: int = 2048) -> tuple[bytes, bytes]:
    """A private key and its public one, in PEM."""
    private = rsa_key(bits)
    public = private.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    plain = serialization.NoEncryption()
    return private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain), public


def tokens(folder: Path, key: bytes = SECRET.encode(), **given: Any) -> JwtTokens:
    """An authenticator with this key in its file."""
    file = folder / "key"
    file.write_bytes(key)
    settings: dict[str, Any] = {"algorithms": ["HS256"], "key_file": str(file), **given}
    return JwtTokens(JwtOptions(**settings), Record())


def answer(authenticator: JwtTokens, token: str) -> Admission | ErrorCode | None:
    """What it says to a token."""
    try:
        return asyncio.run(authenticator(bearing(token)))
    except EarfulError as refused:
        return refused.code


def forged(header: dict[str, Any], secret: bytes | None) -> str:
    """A token as no library would make it, signed by HMAC, or not at all."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    said = ".".join(part(json.dumps(one).encode()) for one in (header, {"tenant": "acme", "exp": 99_999_999_999}))
    return f"{said}." + ("" if secret is None else part(hmac.digest(secret, said.encode(), hashlib.sha256)))


def test_a_good_token_is_its_tenants(tmp_path: Path) -> None:
    """With the permission that it names."""
    believed = tokens(tmp_path)
    assert Admission("acme") == answer(believed, token_of())
    assert Admission("root", is_operator=True) == answer(believed, token_of(tenant="root", operator=True))
    assert Admission("acme") == answer(believed, token_of(operator="true"))
    assert None is asyncio.run(believed(caller()))


@pytest.mark.parametrize(
    "token",
    [
        token_of(lives_s=-60),
        token_of(exp=None),
        token_of(nbf=99_999_999_999),
        token_of(tenant=None),
        token_of(tenant=7),
        token_of(tenant=""),
        token_of(tenant="a b"),
        token_of(aud="another"),
        token_of("another secret of thirty-two bytes"),
        token_of(SECRET * 2, "HS512"),
        token_of()[:-2],
        forged({"alg": "none"}, None),
        forged({"alg": "None", "typ": "JWT"}, None),
        forged({"typ": "JWT"}, SECRET.encode()),
        "no.token.atall",
        "x",
        "",
        "\xff\xfe",
    ],
)
def test_any_other_is_nobodys(token: str, tmp_path: Path) -> None:
    """All alike."""
    said = answer(tokens(tmp_path), token)
    assert (None if not token else ErrorCode.UNAUTHORIZED) is said


def test_clocks_may_differ_by_the_leeway(tmp_path: Path) -> None:
    """Not by more."""
    assert Admission("acme") == answer(tokens(tmp_path, leeway_s=30), token_of(lives_s=-5))
    assert ErrorCode.UNAUTHORIZED is answer(tokens(tmp_path, leeway_s=0), token_of(lives_s=-5))


def test_audience_and_issuer_are_those_of_the_settings(tmp_path: Path) -> None:
    """And must be there."""
    believed = tokens(tmp_path, audience="earful", issuer=["https://a", "https://b"])
    good: dict[str, Any] = {"aud": ["x", "earful"], "iss": "https://b"}
    assert Admission("acme") == answer(believed, token_of(**good))
    for wrong in ({**good, "aud": "x"}, {**good, "iss": "https://c"}, {"aud": "earful"}, {"iss": "https://a"}):
        assert ErrorCode.UNAUTHORIZED is answer(believed, token_of(**wrong))


def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """Who has it, and everybody may, can sign nothing with it, whatever the header says."""
    private, public = pair()
    believed = tokens(tmp_path, public, algorithms=["RS256"])
    assert Admission("acme") == answer(believed, token_of(private, "RS256"))
    for algorithm in ("HS256", "RS256", "none"):
        assert ErrorCode.UNAUTHORIZED is answer(believed, forged({"alg": algorithm}, public))


def key_set(*names: str | None) -> bytes:
    """A set with the public key under these names, beside one for another purpose."""
    private = rsa_key(2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    keys = [{**public, "alg": "RS256", **({"kid": name} if name else {})} for name in names]
    return json.dumps({"keys": [*keys, {**public, "alg": "RS512", "kid": "other"}]}).encode()


@pytest.mark.parametrize(
    ("names", "kid", "is_believed"),
    [
        (["a", "b"], "b", True),
        (["a", "b"], None, False),
        (["a"], None, True),
        (["a"], "z", False),
        (["a"], "other", False),
        (["a"], 7, False),
        ([None], None, True),
    ],
)
def test_a_set_has_keys_by_name(names: list[str | None], kid: Any, is_believed: bool, tmp_path: Path) -> None:  # noqa: FBT001 - parameter
    """A token names its own; a set of one needs no name."""
    file = tmp_path / "set"
    file.write_bytes(key_set(*names))
    believed = JwtTokens(JwtOptions(algorithms=["RS256"], jwks_file=str(file)), Record())
    headers = {} if kid is None else {"kid": kid}
    signed = forged({"alg": "RS256", **headers}, b"x") if isinstance(kid, int) else signed_by_pair(headers)
    assert is_believed == (Admission("acme") == answer(believed, signed))


def signed_by_pair(headers: dict[str, Any]) -> str:
    """A good token with these headers."""
    return jwt.encode({"tenant": "acme", "exp": 99_999_999_999}, pair()[0], "RS256", headers)


@pytest.mark.parametrize(
    ("algorithms", "used", "entry", "is_believed"),
    [
        (["PS256"], "PS256", {}, True),
        (["ES256", "RS512"], "RS512", {"use": "sig"}, True),
        (["RS256", "PS384"], "PS384", {"alg": None}, True),
        (["RS256"], "RS512", {}, False),
        (["RS256", "RS512"], "RS512", {"alg": "RS256"}, False),
        (["RS256"], "RS256", {"use": "enc"}, None),
        (["RS256"], "RS256", {"use": ["sig"]}, None),
        (["RS256"], "RS256", {"kid": ["k"]}, None),
        (["RS256"], "RS256", {"kty": "RSB"}, None),
        (["ES256"], "ES256", {}, None),
    ],
)
def test_a_key_of_a_set_is_for_what_it_says(
    algorithms: list[str],
    used: str,
    entry: dict[str, Any],
    is_believed: bool | None,  # noqa: FBT001 - parameter
    tmp_path: Path,
) -> None:
    """An RSA key without an algorithm is for all of RSA's, as far as they are ours; one to encrypt with for none."""
    private = rsa_key(2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    file = tmp_path / "set"
    file.write_text(json.dumps({"keys": [{**public, "kid": "k", **entry}]}), "utf-8")
    if is_believed is None:
        with pytest.raises(SettingsError, match="no key for the algorithms"):
            JwtTokens(JwtOptions(algorithms=algorithms, jwks_file=str(file)), Record())
        return
    token = jwt.encode({"tenant": "acme", "exp": 99_999_999_999}, private, used, {"kid": "k"})
    believed = JwtTokens(JwtOptions(algorithms=algorithms, jwks_file=str(file)), Record())
    assert is_believed == (Admission("acme") == answer(believed, token))


@pytest.mark.parametrize(
    ("key", "given", "why"),
    [
        (b"short", {}, "shorter than 32 bytes"),
        (SECRET.encode(), {"algorithms": ["HS256", "HS512"]}, "for HS512 is shorter than 64 bytes"),
        (b"small", {"algorithms": ["RS256"]}, "shorter than 2048 bits"),
        (b"-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----", {}, "holds no key for HS256"),
        (SECRET.encode(), {"algorithms": ["RS256"]}, "holds no key for RS256"),
        (SECRET.encode(), {"algorithms": ["HS256", "RS256"]}, "all HS..., or all of public keys"),
        (SECRET.encode(), {"algorithms": ["none"]}, "all HS..., or all of public keys"),
        (SECRET.encode(), {"algorithms": []}, "must be a list"),
        (SECRET.encode(), {"leeway_s": 301}, "from 0 to 300"),
        (SECRET.encode(), {"jwks_file": "x"}, "either key_file or jwks_file"),
        (SECRET.encode(), {"key_file": ""}, "either key_file or jwks_file"),
        (b"[]", {"key_file": "", "jwks_file": "key"}, "no JSON Web Key Set"),
        (b"{", {"key_file": "", "jwks_file": "key"}, "no JSON Web Key Set"),
        (b"set", {"key_file": "", "jwks_file": "key", "algorithms": ["ES256"]}, "no key for the algorithms"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    key: bytes, given: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one sentence, before anybody comes."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=why):
        tokens(tmp_path, {b"set": key_set("a"), b"small": pair(1024)[1]}.get(key, key), **given)
