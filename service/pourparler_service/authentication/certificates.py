"""Certificates: those that the service shows, read anew when they change; and whom others name."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Never

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from pourparler import v1 as pb
from pourparler_service.domain.refusal import refuse

_LOG = logging.getLogger(__name__)

_OF_OTHERS = 0o007
_LONGEST_NAME = 512
_SPIFFE = "spiffe://"


class CertificateFilesError(Exception):
    """The files of a certificate cannot be used. The text says why."""


class ServerCertificate(NamedTuple):
    """What the service shows to those who connect, and what their certificates must come from."""

    key: bytes
    certificates: bytes
    clients: bytes | None


class ServerCertificateFiles:
    """A certificate with its key and, if callers have to show theirs, the authorities of those.

    The files may be replaced at any time, one after the other: as long as they do not belong
    together, what was read before is shown. Any thread may ask.
    """

    def __init__(self, certificate: Path, key: Path, clients: Path | None = None) -> None:
        """Read the files. Raises CertificateFilesError."""
        self._paths = (certificate, key, clients)
        self._lock = threading.Lock()  # guards what was seen
        self._seen = self._look()
        self.first = self._read()

    def changed(self) -> ServerCertificate | None:
        """What is to be shown from now on; None if it is what was shown before."""
        with self._lock:
            seen = self._look()
            if seen == self._seen:
                return None
            self._seen = seen
            try:
                shown = self._read()
            except CertificateFilesError as error:
                _LOG.warning("%s What was read before is used.", error)
                return None
            _LOG.info("the certificate in %s is shown from now on", self._paths[0])
            return shown

    def _look(self) -> Sequence[tuple[int, int, int] | None]:
        return [_state(path) for path in self._paths if path is not None]

    def _read(self) -> ServerCertificate:
        certificate, key, clients = self._paths
        shown = ServerCertificate(
            _bytes(key), _bytes(certificate), _bytes(clients) if clients else None
        )
        if key.stat().st_mode & _OF_OTHERS:
            raise CertificateFilesError(
                f"The key {key} can be read by everybody on this machine. Make it yours alone"
                " (chmod 600), and think whether it is still secret."
            )
        own = _certificates(shown.certificates, certificate)[0]
        if shown.clients is not None and clients is not None:
            _certificates(shown.clients, clients)
        try:
            private = load_pem_private_key(shown.key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise CertificateFilesError(
                f"The file {key} is no private key in PEM without a passphrase."
            ) from None
        if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
            raise CertificateFilesError(
                f"The key {key} is of a kind that gRPC does not use: it takes RSA, or EC."
            )
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise CertificateFilesError(f"The key {key} is not that of the certificate.")
        return shown


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateFilesError(f"The file {path} cannot be read: {error.strerror}.") from error


def _certificates(data: bytes, path: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise CertificateFilesError(f"The file {path} has no certificate in PEM.") from None


class CertificateNames(NamedTuple):
    """Whom a certificate names, and until when, in seconds since 1970."""

    caller: str
    until: float


def named(pem: bytes) -> CertificateNames:
    """Whom a certificate names that TLS has verified. Refuses one that does not name one caller.

    It is the SPIFFE id, where there is one, as it stands in the certificate; else `x509:` and the
    subject in the form of RFC 4514, which begins with what is most particular.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        caller = _spiffe(certificate) or _subject(certificate)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        _unacceptable("It cannot be read.")
    if not caller.isprintable() or len(caller) > _LONGEST_NAME:
        _unacceptable(f"Its name is not one of up to {_LONGEST_NAME} printable characters.")
    return CertificateNames(caller, certificate.not_valid_after_utc.timestamp())


def _spiffe(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if not any(uri.lower().startswith(_SPIFFE) for uri in uris):
        return None
    if len(uris) > 1 or not uris[0].startswith(_SPIFFE):
        # An id with others beside it is none (X509-SVID, section 2): it could be any of them.
        _unacceptable("It has more names than its SPIFFE id, or that is not well formed.")
    return uris[0]


def _subject(certificate: x509.Certificate) -> str:
    subject = certificate.subject.rfc4514_string()
    if not subject:
        _unacceptable("It has no subject and no SPIFFE id.")
    return f"x509:{subject}"


def check_in_date(name: CertificateNames, now: float) -> None:
    """Refuse a certificate that has expired since the connection was made."""
    if now >= name.until:
        _unacceptable("It has expired.")


def _unacceptable(why: str) -> Never:
    refuse(
        pb.ERROR_REASON_CERTIFICATE_NOT_ACCEPTED,
        f"The certificate of the caller is not accepted. {why}",
    )
