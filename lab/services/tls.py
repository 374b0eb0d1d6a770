"""TLS towards the traffic port. The certificate is always verified."""

from __future__ import annotations

import ssl

from ..errors import BadArgumentsError

CERTIFICATE_HELP = "give the file of the CA that issued it, and the host name that it is for"
"""What to do if a certificate is not accepted."""


def client_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that trusts the CA certificates in a PEM file, or those of this machine if `ca_file` is empty.

    Raise BadArgumentsError if the file cannot be read or has no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = "it has no PEM certificate" if isinstance(error, ssl.SSLError) else str(error)
        raise BadArgumentsError(f"{ca_file}: cannot be read as CA certificates: {reason}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def handshake_problem(error: BaseException) -> str:
    """Return in a few words why a TLS handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError):
        return (error.reason or "handshake failed").replace("_", " ").lower()
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return "the connection was closed"
    return getattr(error, "strerror", None) or type(error).__name__
