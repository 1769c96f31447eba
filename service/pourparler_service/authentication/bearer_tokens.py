"""What a bearer token says of who bears it (RFC 6750, 7519), and what is refused (RFC 8725).

No text of a refusal has anything of the token in it: a token is a secret.
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
"""By how much the clocks of issuer and service may differ."""

# RFC 6750, section 2.1
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)
_LONGEST = 8_192
_LONGEST_SUBJECT = 255
_REMEMBERED = 10_000
_TYPES = {"jwt", "at+jwt", "application/at+jwt", "jose"}
_REQUIRED = ("iss", "sub", "aud", "exp")
_UNREAD = {"verify_signature": False}


class _VerifiedToken(NamedTuple):
    """A token that was found good: whom it names, until when, and by which keys."""

    caller: str
    until: float
    keyring: IssuerKeys
    keys: Keys


class TokenVerifier:
    """Tells who bears a token. Belongs to one thread.

    A token that was found good is remembered by its hash until it expires or the keys of its issuer
    change: to verify one takes as long as a whole call.
    """

    def __init__(self, keyrings: Iterable[IssuerKeys]) -> None:
        """Take tokens that are signed with these keys."""
        self._keyrings = {keyring.issuer.name: keyring for keyring in keyrings}
        self._known: OrderedDict[bytes, _VerifiedToken] = OrderedDict()

    def caller(self, authorization: str) -> str:
        """The name of who calls with this: the issuer, `#`, and the subject.

        Refuses what is not good.
        """
        digest = hashlib.sha256(authorization.encode()).digest()
        known = self._known.get(digest)
        if known is None or known.keys is not known.keyring.keys:
            bearer = _BEARER.fullmatch(authorization)
            if bearer is None:
                _malformed("It does not come after the word Bearer and a blank, and alone.")
            known = self._verified(bearer[1])
            self._known[digest] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if time.time() >= known.until:
            self._known.pop(digest)
            _expired()
        return known.caller

    def _verified(self, token: str) -> _VerifiedToken:
        if len(token) > _LONGEST:
            _malformed(f"It has more than {_LONGEST} characters.")
        try:
            unread = jwt.decode_complete(token, options=_UNREAD)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, RecursionError):
            _malformed("It is not a JWT.")
        header, claimed = unread["header"], unread["payload"]
        _check_header(header)
        keyring = self._keyring(claimed.get("iss"))
        # Taken once: another thread may put others in their place.
        keys = keyring.keys
        key = _key(keyring, keys, header)
        claims = _claims(token, key, header["alg"], keyring)
        subject = claims["sub"]
        if not subject.isprintable() or not 0 < len(subject) <= _LONGEST_SUBJECT:
            _malformed(f"Its subject is not 1 to {_LONGEST_SUBJECT} printable characters.")
        if "cnf" in claims:
            _malformed("It is bound to a key (RFC 7800), which a bearer does not show.")
        until = int(claims["exp"]) + LEEWAY_SECONDS
        return _VerifiedToken(f"{keyring.issuer.name}#{subject}", until, keyring, keys)

    def _keyring(self, issuer: object) -> IssuerKeys:
        found = self._keyrings.get(issuer) if isinstance(issuer, str) else None
        if found is None:
            refuse(
                pb.ERROR_REASON_TOKEN_ISSUER_NOT_TRUSTED,
                "The token is of an issuer whose tokens are not taken here.",
            )
        return found


def _check_header(header: Mapping[str, Any]) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        _malformed("It does not say how it is signed.")
    if algorithm.lower() == "none":
        refuse(pb.ERROR_REASON_TOKEN_UNSIGNED, "The token is not signed.")
    if algorithm not in ALGORITHMS:
        refuse(
            pb.ERROR_REASON_TOKEN_ALGORITHM_NOT_ALLOWED,
            f"The token is not signed with one of {', '.join(ALGORITHMS)}.",
        )
    if "crit" in header:
        _malformed("It asks for an extension that is not known here.")
    if str(header.get("typ", "jwt")).lower() not in _TYPES:
        _malformed("It is of a type that is not for calling services.")


def _key(keyring: IssuerKeys, keys: Keys, header: Mapping[str, Any]) -> PublicKey:
    """The key that a token names, or that it must be signed with if it names none."""
    kid, algorithm = header.get("kid"), header["alg"]
    if kid is None:
        several = [key for (_, signs), key in keys.items() if signs == algorithm]
        found = several[0] if len(several) == 1 else None
    else:
        found = keys.get((kid, algorithm))
    if found is None and keyring.may_come():
        refuse(
            pb.ERROR_REASON_TOKEN_KEYS_UNAVAILABLE,
            "The keys of the token's issuer are being read anew. Try again in a moment.",
        )
    if found is None:
        refuse(
            pb.ERROR_REASON_TOKEN_KEY_UNKNOWN,
            "The token is not signed with a key that its issuer has, or does not say with which.",
        )
    return found


def _claims(token: str, key: PublicKey, algorithm: str, keyring: IssuerKeys) -> Mapping[str, Any]:
    """What a token claims, once its signature, its times and its audience are found good."""
    try:
        # The algorithm is that of the key, which was chosen among those for this algorithm alone.
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
            "The signature of the token is not by the key that it names.",
        )
    except jwt.ExpiredSignatureError:
        _expired()
    except jwt.ImmatureSignatureError:
        refuse(pb.ERROR_REASON_TOKEN_NOT_YET_VALID, "The token is not valid yet.")
    except jwt.InvalidAudienceError:
        refuse(
            pb.ERROR_REASON_TOKEN_AUDIENCE_MISMATCH,
            "The token is not for this service: its audience is another.",
        )
    except jwt.MissingRequiredClaimError as error:
        _malformed(f"It does not say its `{error.claim}`.")
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        _malformed("What it claims is not of the form that it has to be.")


def _expired() -> Never:
    refuse(pb.ERROR_REASON_TOKEN_EXPIRED, "The token has expired. Get a new one.")


def _malformed(why: str) -> Never:
    refuse(pb.ERROR_REASON_TOKEN_MALFORMED, f"The token cannot be read. {why}")
