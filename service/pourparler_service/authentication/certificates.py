"""The certificate of the service, reloaded when its files change, and client certificates."""

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

_READABLE_BY_OTHERS = 0o007
_LONGEST_NAME = 512
_SPIFFE = "spiffe://"


class CertificateFilesError(Exception):
    """The files of a certificate cannot be used. The text gives the cause."""


class ServerCertificate(NamedTuple):
    """Key and certificate chain of the service, and the authorities of clients, in PEM."""

    key: bytes
    certificates: bytes
    clients: bytes | None


class ServerCertificateFiles:
    """The files of a certificate, its key and, with client certificates, their authorities.

    The files may be replaced at any time, one after the other. The previous content stays in use
    until the new files match. Thread-safe.
    """

    def __init__(self, certificate: Path, key: Path, clients: Path | None = None) -> None:
        """Read the files. Raise CertificateFilesError if they cannot be used."""
        self._paths = (certificate, key, clients)
        self._lock = threading.Lock()  # guards _states
        self._states = self._file_states()
        self.initial = self._read()

    def reload_if_changed(self) -> ServerCertificate | None:
        """Return the new content if the files have changed and match; else None."""
        with self._lock:
            states = self._file_states()
            if states == self._states:
                return None
            self._states = states
            try:
                loaded = self._read()
            except CertificateFilesError as error:
                _LOG.warning("%s The previous certificate stays in use.", error)
                return None
            _LOG.info("the certificate in %s is in use now", self._paths[0])
            return loaded

    def _file_states(self) -> Sequence[tuple[int, int, int] | None]:
        return [_state(path) for path in self._paths if path is not None]

    def _read(self) -> ServerCertificate:
        certificate, key, clients = self._paths
        loaded = ServerCertificate(
            _bytes(key), _bytes(certificate), _bytes(clients) if clients else None
        )
        if key.stat().st_mode & _READABLE_BY_OTHERS:
            raise CertificateFilesError(
                f"All users of this machine can read the key file {key}. Restrict it (chmod 600),"
                " and replace the key if it may have leaked."
            )
        own = _certificates(loaded.certificates, certificate)[0]
        if loaded.clients is not None and clients is not None:
            _certificates(loaded.clients, clients)
        try:
            private = load_pem_private_key(loaded.key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise CertificateFilesError(
                f"The file {key} is not a private key in PEM without a passphrase."
            ) from None
        if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey):
            raise CertificateFilesError(
                f"The key {key} has a type that gRPC does not support. Use an RSA or EC key."
            )
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise CertificateFilesError(
                f"The key {key} does not match the certificate {certificate}."
            )
        return loaded


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
        raise CertificateFilesError(f"The file {path} contains no certificate in PEM.") from None


class CertificateNames(NamedTuple):
    """The caller in a certificate, and its expiry in seconds since 1970."""

    caller: str
    expiry: float


def names_in(pem: bytes) -> CertificateNames:
    """Return the caller in a certificate that TLS has verified, and its expiry.

    The caller is the SPIFFE id (X509-SVID) if there is one. Otherwise it is `x509:` and the subject
    as RFC 4514 writes it. Raise RefusalError unless the certificate names exactly one caller.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        caller = _spiffe(certificate) or _subject(certificate)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        _unacceptable("It cannot be parsed.")
    if not caller.isprintable() or len(caller) > _LONGEST_NAME:
        _unacceptable(f"Its name is not {_LONGEST_NAME} printable characters or fewer.")
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
        # X509-SVID, section 2: a certificate with another URI beside a SPIFFE id is not valid.
        _unacceptable("It has a URI beside its SPIFFE id, or the id is malformed.")
    return uris[0]


def _subject(certificate: x509.Certificate) -> str:
    subject = certificate.subject.rfc4514_string()
    if not subject:
        _unacceptable("It has no subject and no SPIFFE id.")
    return f"x509:{subject}"


def check_in_date(name: CertificateNames, now: float) -> None:
    """Raise RefusalError if a certificate has expired since the connection was opened."""
    if now >= name.expiry:
        _unacceptable("It has expired.")


def _unacceptable(why: str) -> Never:
    refuse(
        pb.ERROR_REASON_CERTIFICATE_NOT_ACCEPTED,
        f"The client certificate is not accepted. {why}",
    )
