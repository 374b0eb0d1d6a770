"""TLS for clients: loads certificates, chooses one by SNI, and replaces them while connections are served.

Every handshake starts with the same `SSLContext`. Its SNI callback switches to the context of the certificate that
matches the requested name. The table of names is replaced as a whole, so a handshake sees either the old certificates
or the new ones, and established connections are not affected.
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
"""Ciphers of TLS 1.2 with forward secrecy and AEAD (RFC 9325 §4.2). All ciphers of TLS 1.3 have both."""
PROTOCOLS = ["http/1.1"]
WARN_BEFORE_S = 7 * 24 * 3600.0
"""Seconds (a week). ACME clients renew 90-day certificates after 60 days, so at this time a renewal has failed."""
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class LoadedCertificate:
    """One certificate in use."""

    path: Path
    names: tuple[str, ...]
    """Names in the certificate in lower case, such as `a.example` or `*.example`."""
    expires: float
    """Unix time."""
    fingerprint: str
    """SHA-256, hexadecimal."""
    context: ssl.SSLContext = field(repr=False)


class Certificates:
    """The context for listening, and the certificates that its handshakes use."""

    def __init__(self, settings: Tls) -> None:
        """Raise `ConfigError` with a line for each file that cannot be used."""
        self._by_name: dict[str, LoadedCertificate] = {}
        self.served: tuple[LoadedCertificate, ...] = ()
        self.context = context_for(settings)
        self.context.sni_callback = self._choose
        self.replace(load(settings), settings)

    def replace(self, served: Sequence[LoadedCertificate], settings: Tls) -> None:
        """Use `served` from the next handshake on. If two certificates have the same name, the first one is used."""
        self.context.minimum_version = _VERSIONS[settings.min_version]
        by_name: dict[str, LoadedCertificate] = {}
        for one in served:
            for name in one.names:
                by_name.setdefault(name, one)
        self._by_name, self.served = by_name, tuple(served)

    def reload(self, settings: Tls, warn: Callable[[str], None]) -> None:
        """Read the files again. If one cannot be used, call `warn` for each problem and keep all old certificates."""
        try:
            self.replace(load(settings), settings)
        except ConfigError as error:
            for problem in error.problems:
                warn(problem)

    def select(self, name: str | None) -> LoadedCertificate:
        """Return the certificate for `name`, else the wildcard (one label, RFC 6125 §6.4.3), else the first one."""
        if name:
            asked = name.lower().rstrip(".")
            found = self._by_name.get(asked) or self._by_name.get(f"*.{asked.partition('.')[2]}")
            if found is not None:
                return found
        return self.served[0]

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self.select(name).context


def load(settings: Tls) -> list[LoadedCertificate]:
    """Read every certificate. Raise `ConfigError` with all problems at once."""
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
    """Return a server context with the balancer's defaults and without a certificate."""
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


def _load(certificate: Certificate, settings: Tls) -> LoadedCertificate:
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
            else "contains no usable private key in PEM"
        )
        raise _UnusableError("key", f"{certificate.key}: {why}") from error
    fingerprint = leaf.fingerprint(SHA256()).hex()
    return LoadedCertificate(certificate.cert, _names(leaf), leaf.not_valid_after_utc.timestamp(), fingerprint, context)


def _leaf(path: Path) -> x509.Certificate:
    """Return the first certificate of the chain, which is the server's own."""
    try:
        return x509.load_pem_x509_certificates(_read("cert", path))[0]
    except ValueError as error:
        raise _UnusableError("cert", f"{path}: contains no certificate in PEM") from error


def _read(key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _UnusableError(key, f"{path}: cannot be read: {error.strerror}") from error


def _no_passphrase() -> str:
    """Raise an error. Without this callback, OpenSSL would ask for the passphrase on the terminal."""
    raise _PassphraseNeededError


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(attribute.value).lower() for attribute in common)
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def describe(served: Sequence[LoadedCertificate]) -> list[str]:
    """Return one line for each certificate: path, expiry, fingerprint."""
    return [f"{one.path}: until {_day(one.expires)}, SHA-256 {one.fingerprint[:16]}…" for one in served]


def expiry_warnings(certificates: Certificates | None, now: float) -> list[str]:
    """Return a warning for each certificate that has expired or expires within `WARN_BEFORE_S`; `now` is Unix time."""
    served = certificates.served if certificates is not None else ()
    return [
        f"tls: the certificate {one.path} {'has expired' if one.expires <= now else 'expires'} on {_day(one.expires)}"
        for one in served
        if one.expires <= now + WARN_BEFORE_S
    ]


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")
