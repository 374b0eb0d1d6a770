"""Sticky sessions: a signed cookie that names the backend of a client.

The cookie is a hint, never an order: `Balancer.next` follows it while its backend is UP or an operator drains it, and
picks by policy otherwise. The answer carries a new cookie only once the pin does not stand any more: a moment's
suspicion, a full backend or a hedge must not cost a client its session. It is signed so that clients cannot gather on
a backend of their choice, and the secret can be rotated: the first one signs, all of them verify.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hmac import compare_digest, digest
from typing import Final

from .backend import Backend, State

SIGNATURE_BYTES: Final = 16
"""128 bits of HMAC-SHA-256 (RFC 2104 §5 allows half of the output)."""


MAX_VERIFIED_COOKIES: Final = 8
"""Cookies of our name in one request that are verified. Browsers send one for each domain and path that has set it; a
head has room for a thousand, at 2 µs a secret."""


class StickyCookie:
    """Issues and reads the values of one cookie. Secrets are bytes, the newest first."""

    def __init__(self, name: str, secrets: Sequence[bytes]) -> None:
        """Raises ValueError without any secret: an unsigned cookie would let clients choose."""
        if not secrets or not all(secrets):
            raise ValueError("a sticky cookie needs at least one secret, and none of them empty")
        self.name = name
        self._secrets = tuple(secrets)

    def issue(self, backend_id: str) -> str:
        """The value that pins to the backend: `<id>.<signature>`."""
        return f"{backend_id}.{self._signature(backend_id, self._secrets[0])}"

    def read(self, value: str) -> str:
        """The id of the backend that the value pins to; empty if one of our secrets did not sign it."""
        backend_id, _, signature = value.rpartition(".")
        given = signature.encode("utf-8", "replace")
        valid = [compare_digest(given, self._signature(backend_id, secret).encode()) for secret in self._secrets]
        return backend_id if backend_id and any(valid) else ""

    def find(self, cookie_header: str) -> str:
        """The id of the backend that a `Cookie` header (RFC 6265 §4.2.1) pins to; empty if none.

        Of several cookies with our name the first valid one counts: an attacker on a sibling domain can add cookies,
        but cannot sign them.
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
        # The name is signed, too: a cookie of another balancer with the same secret must not count here.
        message = f"{self.name}={backend_id}".encode("utf-8", "replace")
        return urlsafe_b64encode(digest(secret, message, "sha256")[:SIGNATURE_BYTES]).decode().rstrip("=")


def keeps_sessions(backend: Backend) -> bool:
    """Whether clients stay pinned to the backend. Draining means: no new sessions, but those that are there may finish.

    The health machine does not move a draining backend, so whether it still lives only its last probe tells.
    """
    if backend.state is State.DRAIN:
        return backend.last_probe is None or backend.last_probe.passed
    return backend.state is State.UP


def accepts_pinned(backend: Backend) -> bool:
    """Whether a request that is pinned to the backend should go there now: not while others stall on it."""
    return not backend.suspected and keeps_sessions(backend)
