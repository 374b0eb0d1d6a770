"""Certificates for tests, and a client that says what it was shown."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509


def issued(ca: trustme.CA, folder: Path, *names: str, stem: str = "", ended: bool = False) -> tuple[Path, Path]:
    """Certificate and key for `names`, written to files; written again they are replaced."""
    end = datetime.now(UTC) - timedelta(days=1)
    leaf = ca.issue_cert(*names, not_after=end, not_before=end - timedelta(days=9)) if ended else ca.issue_cert(*names)
    stem = stem or names[0].replace("*", "wildcard")
    cert, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    leaf.cert_chain_pems[0].write_to_path(cert)
    leaf.private_key_pem.write_to_path(key)
    return cert, key


def setting(*pairs: tuple[Path, Path]) -> str:
    """The `tls` of a configuration."""
    return "tls:\n  certificates:\n" + "".join(f"  - {{cert: {cert}, key: {key}}}\n" for cert, key in pairs)


def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


async def opened(
    port: int, name: str | None, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that asks for `name`; without one, none is asked for and none is checked."""
    if name is None:
        context.check_hostname = False
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "")


async def names_shown(port: int, name: str | None, ca: trustme.CA, *, check: bool = True) -> list[str]:
    """The names in the certificate that a client gets who asks for `name`."""
    context = trusting(ca)
    context.check_hostname = check
    _, writer = await opened(port, name, context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    found = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)
