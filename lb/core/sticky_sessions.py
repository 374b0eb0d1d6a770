"""Sticky sessions: a signed cookie that names the backend of a client.

The cookie is a preference. `Balancer.next` follows it while the backend is UP or draining, and otherwise picks by
policy. The response sets a new cookie only when the named backend no longer keeps sessions (`keeps_sessions`): a short
suspicion, a full backend or a hedge must not move a client to another backend.

The cookie is signed so that clients cannot choose their backend. The secret can be rotated: the first secret signs, and
all of them verify.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hmac import compare_digest, digest
from typing import Final

from .backend import Backend, State

SIGNATURE_BYTES: Final = 16
"""128 bits of HMAC-SHA-256 (RFC 2104 §5 allows truncation to half of the output)."""


MAX_VERIFIED_COOKIES: Final = 8
"""Limit on the cookies with this name that are verified in one request. Browsers send one for each domain and path that
has set it. One request head has room for a thousand, and verification takes 2 µs for each secret."""


class StickyCookie:
    """Issues and verifies one cookie. Secrets are bytes, newest first."""

    def __init__(self, name: str, secrets: Sequence[bytes], *, ttl: float = 0.0, secure: bool = False) -> None:
        """`ttl` is the cookie's lifetime in seconds; 0: until the browser is closed. `secure`: only over TLS.

        Raise ValueError without a secret or with an empty one: clients could forge an unsigned cookie.
        """
        if not secrets or not all(secrets):
            raise ValueError("a sticky cookie needs at least one secret, and none of them empty")
        self.name = name
        self._secrets = tuple(secrets)
        lifetime = f"; Max-Age={ttl:.0f}" if ttl else ""
        # Scripts cannot read it, and requests from other sites carry it only if they follow a link (RFC 6265bis
        # §5.6.7).
        self._attributes = f"; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{lifetime}\r\n"

    def line(self, backend_id: str) -> bytes:
        """Return the `Set-Cookie` line that pins the client to the backend, or empty bytes if the id is empty."""
        if not backend_id:
            return b""
        return f"Set-Cookie: {self.name}={self.issue(backend_id)}{self._attributes}".encode("latin-1")

    def issue(self, backend_id: str) -> str:
        """Return the cookie value for the backend: `<id>.<signature>`."""
        return f"{backend_id}.{self._signature(backend_id, self._secrets[0])}"

    def read(self, value: str) -> str:
        """Return the backend id in a cookie value, or an empty string if no secret verifies its signature."""
        backend_id, _, signature = value.rpartition(".")
        given = signature.encode("utf-8", "replace")
        valid = [compare_digest(given, self._signature(backend_id, secret).encode()) for secret in self._secrets]
        return backend_id if backend_id and any(valid) else ""

    def find(self, cookie_header: str) -> str:
        """Return the backend id in a `Cookie` header (RFC 6265 §4.2.1); an empty string if there is none.

        If several cookies have this name, the first valid one counts, because an attacker on a sibling domain can add
        cookies but cannot sign them.
        """
        tries = MAX_VERIFIED_COOKIES
        for pair in cookie_header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.name and tries:
                if backend_id := self.read(value):
                    return backend_id
                tries -= 1
        return ""

    def _signature(self, backend_id: str, secret: bytes) -> str:
        # The cookie name is signed too, so that a cookie of another balancer with the same secret is not valid here.
        message = f"{self.name}={backend_id}".encode("utf-8", "replace")
        return urlsafe_b64encode(digest(secret, message, "sha256")[:SIGNATURE_BYTES]).decode().rstrip("=")


def keeps_sessions(backend: Backend) -> bool:
    """Return whether clients stay pinned to the backend: a draining backend gets no new sessions but keeps its old
    ones.

    The health machine does not move a draining backend, so only its last probe shows whether it still works.
    """
    if backend.state is State.DRAIN:
        return backend.last_probe is None or backend.last_probe.passed
    return backend.state is State.UP


def accepts_pinned(backend: Backend) -> bool:
    """Return whether a pinned request may go to the backend now. It may not if the backend is suspected."""
    return not backend.suspected and keeps_sessions(backend)
