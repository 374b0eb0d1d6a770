"""Authentication: the bearer token, and checks that no web page of another site sent the request."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ForbiddenOriginError, UnauthorizedError

OWNER_ONLY = 0o600
SHARED = 0o644
"""For a file that others read; the folder around it tells who they are."""
OPEN_PATHS = frozenset({"/healthz"})
"""What is answered without a token."""


def load_token(path: Path, mode: int = OWNER_ONLY) -> tuple[str, bool]:
    """Return the token in the file, and whether it was created by this call. `mode` are the permissions of the file."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY)
    except FileExistsError:
        path.chmod(mode)
        token = path.read_text().strip()
        if token:
            return token, False
        path.unlink()  # a crash between creating and writing
        return load_token(path, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token, True


def check_token(authorization: str | None, token: str) -> None:
    """Raises UnauthorizedError. Compares in constant time."""
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(_bytes(given.strip()), token.encode()):
        raise UnauthorizedError("send the token as `Authorization: Bearer …`; it is in <state>/token")


def _bytes(given: str) -> bytes:
    """A server may hand bytes that are no UTF-8 on as half a surrogate pair, which `encode` alone refuses."""
    return given.encode("utf-8", "surrogateescape")


def check_origin(hosts: Sequence[str], origins: Sequence[str]) -> None:
    """Raises ForbiddenOriginError for a page of another site, and for a host name that DNS could have been pointed here
    (rebinding needs a name with a dot; addresses, `localhost` and compose's service names are none).

    `hosts` and `origins` are all the values of the two headers."""
    if len(hosts) != 1:
        raise ForbiddenOriginError(f"expected one Host header, found {len(hosts)}")
    (host,) = hosts
    try:
        name = urlsplit(f"//{host}").hostname or ""
        asked_by = [urlsplit(origin).netloc for origin in origins]
    except ValueError as error:  # such as `[::1`
        raise ForbiddenOriginError(f"Host {host[:80]!r} or Origin is no address") from error
    if not _cannot_be_rebound(name):
        raise ForbiddenOriginError(f"Host {host[:80]!r} is not an address of this service")
    if any(each != host for each in asked_by):
        raise ForbiddenOriginError(f"requests from {origins[0][:80]!r} are not served")


def _cannot_be_rebound(name: str) -> bool:
    if "." not in name and ":" not in name:
        return bool(name)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
