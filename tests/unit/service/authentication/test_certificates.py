"""Certificates: whom they name, and how those of the service are replaced while it runs."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pourparler_service.authentication.certificates import (
    CertificateFilesError,
    CertificateNames,
    ServerCertificateFiles,
    check_in_date,
    names_in,
)
from pourparler_service.domain.refusal import RefusalError, reason_name
from tests.support.certificates import Authority, Files, subject


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def name(files: Files) -> str:
    return names_in(files.certificate.read_bytes()).caller


def refused(files: Files) -> str:
    with pytest.raises(RefusalError) as refusal:
        name(files)
    return reason_name(refusal.value.reason)


def test_a_certificate_names_its_subject_as_rfc_4514_has_it(authority: Authority) -> None:
    ann = subject(O='Harbour, "Authority"', OU="Größe", CN="ann+1")

    assert (
        name(authority.signs("a", of=ann)) == r"x509:CN=ann\+1,OU=Größe,O=Harbour\, \"Authority\""
    )


def test_a_certificate_names_its_workload_above_its_subject(authority: Authority) -> None:
    workload = "spiffe://example.org/harbour/clerk"

    assert name(authority.signs("a", [workload])) == workload


def test_an_address_that_is_no_workload_names_nobody(authority: Authority) -> None:
    assert name(authority.signs("ann", ["https://example.org/ann"])) == "x509:CN=ann"


@pytest.mark.parametrize(
    "uris",
    [
        ["spiffe://a.example/x", "spiffe://b.example/x"],
        ["https://example.org", "spiffe://a.example/x"],
        ["SPIFFE://a.example/x"],
    ],
)
def test_a_workload_has_one_name(authority: Authority, uris: list[str]) -> None:
    assert refused(authority.signs("a", uris)) == "CERTIFICATE_NOT_ACCEPTED"


@pytest.mark.parametrize(
    "of",
    [
        x509.Name([]),
        subject(CN="ann\nbob"),
        subject(CN="ann\u202ebob"),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a" * 64)] * 9),
    ],
    ids=["nobody", "two lines", "turned round", "long"],
)
def test_a_name_can_be_read(authority: Authority, of: x509.Name) -> None:
    assert refused(authority.signs("a", of=of)) == "CERTIFICATE_NOT_ACCEPTED"


@pytest.mark.parametrize("pem", [b"", b"no certificate"])
def test_what_is_no_certificate_names_nobody(pem: bytes) -> None:
    with pytest.raises(RefusalError):
        names_in(pem)


def test_a_certificate_expires_on_a_connection_too(authority: Authority) -> None:
    files = authority.signs("a", lasts=timedelta(hours=1))
    known = names_in(files.certificate.read_bytes())
    check_in_date(known, known.expiry - 1)

    with pytest.raises(RefusalError):
        check_in_date(CertificateNames("x509:CN=a", known.expiry), known.expiry)


def test_files_that_do_not_change_are_not_read_again(authority: Authority) -> None:
    files = ServerCertificateFiles(*authority.signs("a"), authority.file)

    assert files.reload_if_changed() is None
    assert files.initial.clients == authority.file.read_bytes()


def test_what_is_replaced_is_shown_once_it_belongs_together(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    own = authority.signs("a")
    files = ServerCertificateFiles(*own)
    old_key = own.key.read_bytes()

    authority.signs("a")
    new_key = own.key.read_bytes()
    own.key.write_bytes(old_key)

    with caplog.at_level(logging.INFO):
        assert files.reload_if_changed() is None
        assert files.reload_if_changed() is None
    assert caplog.text.count("does not match the certificate") == 1

    own.key.write_bytes(new_key)
    shown = files.reload_if_changed()

    assert shown is not None
    assert (shown.key, shown.certificates) == (new_key, own.certificate.read_bytes())
    assert files.reload_if_changed() is None


def test_files_that_go_away_are_shown_as_they_were(authority: Authority) -> None:
    own = authority.signs("a")
    files = ServerCertificateFiles(*own)

    own.certificate.unlink()

    assert files.reload_if_changed() is None


def spoilt(files: Files, what: str, authority: Authority) -> None:
    match what:
        case "no certificate":
            files.certificate.write_text("none")
        case "no key":
            files.key.write_text("none")
        case "absent":
            files.key.unlink()
        case "for all to read":
            files.key.chmod(0o644)
        case "no authorities":
            authority.file.write_text("none")
        case "of another kind":
            form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            files.key.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
        case "another key":
            files.key.write_bytes(authority.signs("other").key.read_bytes())


@pytest.mark.parametrize(
    "what",
    [
        "no certificate",
        "no key",
        "absent",
        "for all to read",
        "no authorities",
        "of another kind",
        "another key",
    ],
)
def test_files_that_cannot_be_used_are_told_at_once(authority: Authority, what: str) -> None:
    own = authority.signs("a")
    spoilt(own, what, authority)

    with pytest.raises(CertificateFilesError):
        ServerCertificateFiles(*own, authority.file)
