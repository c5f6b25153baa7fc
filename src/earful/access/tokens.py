"""`auth=jwt`: signed tokens of somebody else's making, checked with PyJWT, which is loaded only here.

Guarantees that a token is believed by the algorithms and keys of the settings alone, whatever its header says. It is
looked at when a session begins and when it is resumed: one that expires meanwhile ends no session.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from earful.access.authenticator import TENANT
from earful.access.credential import credential_of
from earful.access.watched import Watched
from earful.errors import EarfulError, ErrorCode
from earful.service.admission import Admission
from earful.settings import SettingsError

if TYPE_CHECKING:
    from earful.service.admission import Caller
    from earful.telemetry.logs import Logger

SHARED_SECRET = {"HS256": 32, "HS384": 48, "HS512": 64}
"""And how many bytes each must have at least: RFC 7518, section 3.2."""
RSA = frozenset({"RS", "PS"})
PUBLIC_KEY = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA"}
)
LONGEST_LEEWAY_S = 300
LEAST_RSA_BITS = 2048

Key: TypeAlias = "Any"
"""Of PyJWT: a PEM or a secret as bytes, or a `PyJWK`."""


class JwtOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in one of the two files verifies: a public key in PEM or a secret, or a set of keys.

    Tokens must have `exp` and the `tenant_claim`; `aud` and `iss` must be those given, `aud` absent where none is.
    """

    algorithms: list[str]
    key_file: str = ""
    jwks_file: str = ""
    audience: str | list[str] | None = None
    issuer: str | list[str] | None = None
    tenant_claim: str = "tenant"
    operator_claim: str = "operator"
    leeway_s: float = 10
    in_query: bool = False


class JwtTokens:
    """A `QuickAuthenticator`."""

    def __init__(self, options: JwtOptions, log: Logger) -> None:
        """Read the file. Raises SettingsError where tokens cannot be verified with it, or should not be so."""
        self._jwt = _library()
        _check(options)
        self._options = options
        self._keys: Watched[dict[str, Key]] = (
            Watched(options.jwks_file, self._read_set, log)
            if options.jwks_file
            else Watched(options.key_file, self._read_key, log)
        )
        self._log = log

    async def __call__(self, caller: Caller) -> Admission | None:
        """As `decide`."""
        return self.decide(caller)

    def decide(self, caller: Caller) -> Admission | None:
        """Whose token it is. Raises EarfulError(UNAUTHORIZED), for every fault alike, where it is not believed."""
        token = credential_of(caller, in_query=self._options.in_query)
        if token is None:
            return None
        try:
            claims = self._claims(token)
        except self._jwt.PyJWTError as fault:
            self._log.debug("token is not believed", error=type(fault).__name__)
            raise EarfulError(ErrorCode.UNAUTHORIZED) from None
        tenant = claims.get(self._options.tenant_claim)
        if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
            raise EarfulError(ErrorCode.UNAUTHORIZED)
        return Admission(tenant, is_operator=claims.get(self._options.operator_claim) is True)

    def _claims(self, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = self._jwt.decode(
            token,
            self._key_of(token),
            algorithms=self._options.algorithms,
            audience=self._options.audience,
            issuer=self._options.issuer,
            leeway=self._options.leeway_s,
            options={"require": ["exp"], "enforce_minimum_key_length": True},
        )
        return claims

    def _key_of(self, token: str) -> Key:
        """The key that the token names, among ours; a set of one needs no name."""
        keys = self._keys.value()
        if not self._options.jwks_file:
            return keys[""]
        name = self._jwt.get_unverified_header(token).get("kid")
        if name is None and len(keys) == 1:
            return next(iter(keys.values()))
        if not isinstance(name, str) or name not in keys:
            raise self._jwt.InvalidKeyError
        return keys[name]

    def _read_key(self, text: str) -> dict[str, Key]:
        """The one key of a file: a secret of decent length, or what the algorithm can read."""
        key = text.strip().encode()
        for name in self._options.algorithms:
            try:
                prepared = self._jwt.get_algorithm_by_name(name).prepare_key(key)
            except (self._jwt.PyJWTError, ValueError, TypeError):
                raise ValueError(f"it holds no key for {name}") from None
            least_bytes = SHARED_SECRET.get(name, 0)
            if len(key) < least_bytes:
                raise ValueError(f"its secret for {name} is shorter than {least_bytes} bytes")
            if name[:2] in RSA and prepared.key_size < LEAST_RSA_BITS:
                raise ValueError(f"its RSA key is shorter than {LEAST_RSA_BITS} bits")
        return {"": key}

    def _read_set(self, text: str) -> dict[str, Key]:
        """The keys of a JWKS by their ids, those for the algorithms of the settings."""
        try:
            entries = json.loads(text)["keys"]
            found = [(entry.get("kid") or "", entry.get("use"), self._key_in(entry)) for entry in entries]
        except (ValueError, TypeError, AttributeError, KeyError):
            raise ValueError("it is no JSON Web Key Set") from None
        keys = {name: key for name, use, key in found if key and use in (None, "sig") and isinstance(name, str)}
        if not keys:
            raise ValueError("it has no key for the algorithms of auth_options")
        return keys

    def _key_in(self, entry: dict[str, Any]) -> Key | None:
        """The key in an entry of a set; None where it is not for the algorithms of the settings, or for none we know.

        An RSA key that names no algorithm is for each of RSA: RFC 7517, section 4.4.
        """
        is_any_rsa = entry.get("kty") == "RSA" and not entry.get("alg")
        ours = next((name for name in self._options.algorithms if name[:2] in RSA), None)
        try:
            key = self._jwt.PyJWK(entry, algorithm=ours if is_any_rsa else None)
        except self._jwt.PyJWTError:
            return None
        if key.algorithm_name not in self._options.algorithms:
            return None
        return key.key if is_any_rsa else key


def _library() -> Any:
    try:
        import jwt
        from cryptography.hazmat.primitives import hashes
    except ImportError:
        raise SettingsError("auth=jwt needs PyJWT: install earful[jwt].") from None
    del hashes
    return jwt


def _check(options: JwtOptions) -> None:
    """Refuse what would be unsafe, or nothing: above all a secret and a public key at once, which could be confused."""
    named = set(options.algorithms)
    for holds, sentence in (
        (bool(named), 'algorithms must be a list, such as ["RS256"]'),
        (named <= SHARED_SECRET.keys() or named <= PUBLIC_KEY, "algorithms must be all HS..., or all of public keys"),
        (bool(options.key_file) != bool(options.jwks_file), "needs either key_file or jwks_file"),
        (0 <= options.leeway_s <= LONGEST_LEEWAY_S, f"leeway_s must be from 0 to {LONGEST_LEEWAY_S}"),
    ):
        if not holds:
            raise SettingsError(f"auth_options of jwt: {sentence}.")
