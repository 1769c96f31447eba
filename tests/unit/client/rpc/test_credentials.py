"""What a client shows of itself."""

from pathlib import Path

import pytest

from pourparler.errors import PourparlerError, Unauthenticated
from pourparler.rpc.credentials import Credentials

GIVEN = "a.b.c"
EXPIRED = Unauthenticated("The token has expired.", reason="TOKEN_EXPIRED")


def test_a_client_without_credentials_shows_nothing() -> None:
    nothing = Credentials()

    assert (nothing.secure, nothing.files, nothing.shown()) == (False, (None, None, None), ())


def test_with_any_credentials_a_client_speaks_tls(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_bytes(b"PEM")

    assert Credentials(file).files == (b"PEM", None, None)
    assert Credentials(None, str(file), file).files == (None, b"PEM", b"PEM")
    for one in (Credentials(file), Credentials(None, file, file), Credentials(token=GIVEN)):
        assert one.secure


def test_a_token_goes_with_every_call() -> None:
    assert Credentials(token=f"{GIVEN}\n").shown() == (("authorization", f"Bearer {GIVEN}"),)


def test_a_token_is_asked_for_when_there_is_none_or_it_has_expired() -> None:
    given = iter(["one", "two"])
    credentials = Credentials(token=lambda: next(given))

    assert not credentials.held
    assert credentials.shown() == credentials.shown() == (("authorization", "Bearer one"),)
    assert not credentials.renews(Unauthenticated("No.", reason="TOKEN_MALFORMED"))
    assert credentials.shown() == credentials.held

    assert credentials.renews(EXPIRED)

    assert not credentials.held
    assert credentials.shown() == (("authorization", "Bearer two"),)


def test_a_token_that_is_given_is_not_renewed() -> None:
    for credentials in (Credentials(token=GIVEN), Credentials()):
        assert not credentials.renews(EXPIRED)
        assert not credentials.renews(PourparlerError("No."))


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "\u00e4"])
def test_what_is_no_token_is_not_sent(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        Credentials(token=token)
    with pytest.raises(ValueError, match="token"):
        Credentials(token=lambda: token).shown()


def test_a_certificate_comes_with_its_key(tmp_path: Path) -> None:
    for pair in ((tmp_path, None), (None, tmp_path)):
        with pytest.raises(ValueError, match="key"):
            Credentials(None, *pair)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        Credentials(tmp_path / "absent")
