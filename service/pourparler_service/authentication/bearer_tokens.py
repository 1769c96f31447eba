"""Bearer tokens (RFC 6750): their verification as JWTs (RFC 7519) by the rules of RFC 8725.

A token is a secret: no text of a refusal contains a part of it.
"""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Never

import jwt

from pourparler import v1 as pb
from pourparler_service.authentication.jwks import ALGORITHMS, IssuerKeys, Keys, PublicKey
from pourparler_service.domain.refusal import refuse

LEEWAY_SECONDS = 30
"""The allowed difference in seconds between the clocks of issuer and service."""

# RFC 6750, section 2.1
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)
_LONGEST = 8_192
_LONGEST_SUBJECT = 255
_REMEMBERED = 10_000
_TYPES = {"jwt", "at+jwt", "application/at+jwt", "jose"}
_REQUIRED = ("iss", "sub", "aud", "exp")
_UNVERIFIED = {"verify_signature": False}


class _VerifiedToken(NamedTuple):
    """A verified token: its caller, expiry in seconds since 1970, and the keys of its issuer."""

    caller: str
    expiry: float
    keyring: IssuerKeys
    keys: Keys


class TokenVerifier:
    """Verifies tokens and returns the caller of each. Belongs to one thread.

    A cache by SHA-256 keeps each verified token until it expires or the keys of its issuer change.
    A verification takes as long as a whole call.
    """

    def __init__(self, keyrings: Iterable[IssuerKeys]) -> None:
        """Accept tokens that are signed with these keys."""
        self._keyrings = {keyring.issuer.name: keyring for keyring in keyrings}
        self._known: OrderedDict[bytes, _VerifiedToken] = OrderedDict()

    def caller(self, authorization: str) -> str:
        """Return the caller of an `authorization` value: the issuer, `#`, and the subject.

        Raise RefusalError if the token is not valid.
        """
        digest = hashlib.sha256(authorization.encode()).digest()
        known = self._known.get(digest)
        if known is None or known.keys is not known.keyring.keys:
            bearer = _BEARER.fullmatch(authorization)
            if bearer is None:
                _malformed("The header is not the word Bearer, a space and one token.")
            known = self._verified(bearer[1])
            self._known[digest] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if time.time() >= known.expiry:
            self._known.pop(digest)
            _expired()
        return known.caller

    def _verified(self, token: str) -> _VerifiedToken:
        if len(token) > _LONGEST:
            _malformed(f"It has {len(token)} characters; {_LONGEST} are allowed.")
        try:
            unverified = jwt.decode_complete(token, options=_UNVERIFIED)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, RecursionError):
            _malformed("It is not a JWT (RFC 7519).")
        header, claimed = unverified["header"], unverified["payload"]
        _check_header(header)
        keyring = self._keyring(claimed.get("iss"))
        # Read once: another thread may replace the mapping.
        keys = keyring.keys
        key = _key(keyring, keys, header)
        claims = _claims(token, key, header["alg"], keyring)
        subject = claims["sub"]
        if not subject.isprintable() or not 0 < len(subject) <= _LONGEST_SUBJECT:
            _malformed(f"Its subject is not 1 to {_LONGEST_SUBJECT} printable characters.")
        if "cnf" in claims:
            _malformed("It is bound to a key (RFC 7800). Only bearer tokens are accepted.")
        expiry = int(claims["exp"]) + LEEWAY_SECONDS
        return _VerifiedToken(f"{keyring.issuer.name}#{subject}", expiry, keyring, keys)

    def _keyring(self, issuer: object) -> IssuerKeys:
        found = self._keyrings.get(issuer) if isinstance(issuer, str) else None
        if found is None:
            refuse(
                pb.ERROR_REASON_TOKEN_ISSUER_NOT_TRUSTED,
                "This service does not accept tokens of the issuer of this token.",
            )
        return found


def _check_header(header: Mapping[str, Any]) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        _malformed("Its header has no algorithm.")
    if algorithm.lower() == "none":
        refuse(pb.ERROR_REASON_TOKEN_UNSIGNED, "The token is not signed: its algorithm is none.")
    if algorithm not in ALGORITHMS:
        refuse(
            pb.ERROR_REASON_TOKEN_ALGORITHM_NOT_ALLOWED,
            f"The token is not signed with one of {', '.join(ALGORITHMS)}.",
        )
    if "crit" in header:
        _malformed("Its header has critical extensions, which are not supported.")
    if str(header.get("typ", "jwt")).lower() not in _TYPES:
        _malformed("Its type is not JWT or at+jwt.")


def _key(keyring: IssuerKeys, keys: Keys, header: Mapping[str, Any]) -> PublicKey:
    """Return the key that a token names, or the only key for its algorithm if it names none."""
    kid, algorithm = header.get("kid"), header["alg"]
    if kid is None:
        several = [key for (_, signs), key in keys.items() if signs == algorithm]
        found = several[0] if len(several) == 1 else None
    else:
        found = keys.get((kid, algorithm))
    if found is None and keyring.request_refresh():
        refuse(
            pb.ERROR_REASON_TOKEN_KEYS_UNAVAILABLE,
            "The keys of the token issuer are being fetched. Try again in a moment.",
        )
    if found is None:
        refuse(
            pb.ERROR_REASON_TOKEN_KEY_UNKNOWN,
            "The issuer does not have the key that the token names, or the token names none.",
        )
    return found


def _claims(token: str, key: PublicKey, algorithm: str, keyring: IssuerKeys) -> Mapping[str, Any]:
    """Return the claims of a token after the checks of its signature, times and audience."""
    try:
        # The key was chosen among the keys for this algorithm alone (RFC 8725, section 3.1).
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=keyring.issuer.name,
            audience=keyring.issuer.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_REQUIRED)},
        )
    except jwt.InvalidSignatureError:
        refuse(
            pb.ERROR_REASON_TOKEN_SIGNATURE_INVALID,
            "The signature of the token does not verify with the key that it names.",
        )
    except jwt.ExpiredSignatureError:
        _expired()
    except jwt.ImmatureSignatureError:
        refuse(pb.ERROR_REASON_TOKEN_NOT_YET_VALID, "The token is not valid yet.")
    except jwt.InvalidAudienceError:
        refuse(
            pb.ERROR_REASON_TOKEN_AUDIENCE_MISMATCH,
            "The token is for another audience, not for this service.",
        )
    except jwt.MissingRequiredClaimError as error:
        _malformed(f"It has no claim `{error.claim}`.")
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        _malformed("A claim of it has a wrong format.")


def _expired() -> Never:
    refuse(pb.ERROR_REASON_TOKEN_EXPIRED, "The token has expired. Get a new one.")


def _malformed(why: str) -> Never:
    refuse(pb.ERROR_REASON_TOKEN_MALFORMED, f"The token is malformed. {why}")
