"""What a client shows of itself."""

from pathlib import Path

import pytest

from pourparler.errors import PourparlerError, UnauthenticatedError
from pourparler.rpc.credentials import Credentials

GIVEN = "a.b.c"
EXPIRED = UnauthenticatedError("The token has expired.", reason="TOKEN_EXPIRED")


def test_a_client_without_credentials_shows_nothing() -> None:
    nothing = Credentials()

    assert (nothing.uses_tls, nothing.pem_files, nothing.metadata()) == (
        False,
        (None, None, None),
        (),
    )


def test_with_any_credentials_a_client_speaks_tls(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_bytes(b"PEM")

    assert Credentials(file).pem_files == (b"PEM", None, None)
    assert Credentials(None, str(file), file).pem_files == (None, b"PEM", b"PEM")
    for one in (Credentials(file), Credentials(None, file, file), Credentials(token=GIVEN)):
        assert one.uses_tls


def test_a_token_goes_with_every_call() -> None:
    assert Credentials(token=f"{GIVEN}\n").metadata() == (("authorization", f"Bearer {GIVEN}"),)


def test_a_token_is_asked_for_when_there_is_none_or_it_has_expired() -> None:
    given = iter(["one", "two"])
    credentials = Credentials(token=lambda: next(given))

    assert not credentials.cached_metadata
    assert credentials.metadata() == credentials.metadata() == (("authorization", "Bearer one"),)
    assert not credentials.renew_token(UnauthenticatedError("No.", reason="TOKEN_MALFORMED"))
    assert credentials.metadata() == credentials.cached_metadata

    assert credentials.renew_token(EXPIRED)

    assert not credentials.cached_metadata
    assert credentials.metadata() == (("authorization", "Bearer two"),)


def test_a_token_that_is_given_is_not_renewed() -> None:
    for credentials in (Credentials(token=GIVEN), Credentials()):
        assert not credentials.renew_token(EXPIRED)
        assert not credentials.renew_token(PourparlerError("No."))


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "\u00e4"])
def test_what_is_no_token_is_not_sent(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        Credentials(token=token)
    with pytest.raises(ValueError, match="token"):
        Credentials(token=lambda: token).metadata()


def test_a_certificate_comes_with_its_key(tmp_path: Path) -> None:
    for pair in ((tmp_path, None), (None, tmp_path)):
        with pytest.raises(ValueError, match="key"):
            Credentials(None, *pair)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        Credentials(tmp_path / "absent")
