"""TLS for clients: certificates, who gets which, and their renewal under way.

Every connection starts on one context that never changes. Its SNI callback hands it to the context of the certificate
that fits the name asked for, and takes that from a table which is replaced as a whole: a handshake sees the old
certificates or the new ones, and connections that exist are not touched.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from ..config.listener_settings import Certificate, Tls
from ..errors import ConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2 with forward secrecy and AEAD only (RFC 9325 §4.2); those of TLS 1.3 are all like that."""
PROTOCOLS = ["http/1.1"]
WARN_BEFORE_S = 7 * 24 * 3600.0
"""A week: those who renew by program do so after two thirds of 90 days, so by then something is wrong."""
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Served:
    """One certificate that is in use."""

    path: Path
    names: tuple[str, ...]
    """Lower case, as in the certificate: `a.example`, `*.example`."""
    expires: float
    """Unix time."""
    fingerprint: str
    """SHA-256, hexadecimal."""
    context: ssl.SSLContext = field(repr=False)


class Certificates:
    """The context to listen with, and the certificates behind it."""

    def __init__(self, settings: Tls) -> None:
        """Raises `ConfigError`: a line for each file that cannot be used."""
        self._by_name: dict[str, Served] = {}
        self.served: tuple[Served, ...] = ()
        self.context = context_for(settings)
        self.context.sni_callback = self._choose
        self.use(load(settings), settings)

    def use(self, served: Sequence[Served], settings: Tls) -> None:
        """From the next handshake on. Of two certificates for one name the first counts."""
        self.context.minimum_version = _VERSIONS[settings.min_version]
        by_name: dict[str, Served] = {}
        for one in served:
            for name in one.names:
                by_name.setdefault(name, one)
        self._by_name, self.served = by_name, tuple(served)

    def renew(self, settings: Tls, complain: Callable[[str], None]) -> None:
        """Read the files again. One that cannot be used leaves all as they were, and is complained of."""
        try:
            self.use(load(settings), settings)
        except ConfigError as error:
            for problem in error.problems:
                complain(problem)

    def chosen(self, name: str | None) -> Served:
        """Exact, else the wildcard of its domain (one label, RFC 6125 §6.4.3), else the first."""
        if name:
            asked = name.lower().rstrip(".")
            found = self._by_name.get(asked) or self._by_name.get(f"*.{asked.partition('.')[2]}")
            if found is not None:
                return found
        return self.served[0]

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self.chosen(name).context


def load(settings: Tls) -> list[Served]:
    """Read every certificate. Raises `ConfigError` with all problems at once."""
    served, problems = [], []
    for index, certificate in enumerate(settings.certificates):
        try:
            served.append(_load(certificate, settings))
        except _UnusableError as error:
            problems.append(f"tls.certificates.{index}.{error.key}: {error}")
    if problems:
        raise ConfigError(problems)
    return served


def context_for(settings: Tls) -> ssl.SSLContext:
    """A server's context with our defaults, and no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(PROTOCOLS)
    return context


class _UnusableError(Exception):
    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class _PassphraseNeededError(Exception):
    pass


def _load(certificate: Certificate, settings: Tls) -> Served:
    leaf = _leaf(certificate.cert)
    _read("key", certificate.key)
    context = context_for(settings)
    try:
        context.load_cert_chain(certificate.cert, certificate.key, password=_no_passphrase)
    except _PassphraseNeededError as error:
        why = "is encrypted; expected a private key without a passphrase"
        raise _UnusableError("key", f"{certificate.key}: {why}") from error
    except ssl.SSLError as error:
        mismatch = error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}
        why = (
            f"is not the key of the certificate {certificate.cert}"
            if mismatch
            else "holds no usable private key in PEM"
        )
        raise _UnusableError("key", f"{certificate.key}: {why}") from error
    fingerprint = leaf.fingerprint(SHA256()).hex()
    return Served(certificate.cert, _names(leaf), leaf.not_valid_after_utc.timestamp(), fingerprint, context)


def _leaf(path: Path) -> x509.Certificate:
    """The first certificate of the chain, which is the server's own."""
    try:
        return x509.load_pem_x509_certificates(_read("cert", path))[0]
    except ValueError as error:
        raise _UnusableError("cert", f"{path}: holds no certificate in PEM") from error


def _read(key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _UnusableError(key, f"{path}: cannot be read: {error.strerror}") from error


def _no_passphrase() -> str:
    """Without this, OpenSSL would ask for one on the terminal."""
    raise _PassphraseNeededError


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(attribute.value).lower() for attribute in common)
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def describe(served: Sequence[Served]) -> list[str]:
    """What is in use, a line for each."""
    return [f"{one.path}: until {_day(one.expires)}, SHA-256 {one.fingerprint[:16]}…" for one in served]


def expiry_warnings(certificates: Certificates | None, now: float) -> list[str]:
    """A line for each certificate that clients will not accept any more, or not for long; `now` is Unix time."""
    served = certificates.served if certificates is not None else ()
    return [
        f"tls: the certificate {one.path} {'has expired' if one.expires <= now else 'expires'} on {_day(one.expires)}"
        for one in served
        if one.expires <= now + WARN_BEFORE_S
    ]


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")
