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
"""Permissions of a token file that other users read. The permissions of its folder decide which users."""
OPEN_PATHS = frozenset({"/healthz"})
"""Paths that are answered without a token."""


def load_token(path: Path, mode: int = OWNER_ONLY) -> tuple[str, bool]:
    """Return the token in the file, and whether this call created it. `mode` is the permissions of a new file."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY)
    except FileExistsError:
        path.chmod(mode)
        token = path.read_text().strip()
        if token:
            return token, False
        path.unlink()  # the file is empty after a crash between creating and writing
        return load_token(path, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)  # independent of the umask
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token, True


def check_token(authorization: str | None, token: str) -> None:
    """Raise UnauthorizedError unless the header has the token. The comparison takes constant time."""
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(_bytes(given.strip()), token.encode()):
        raise UnauthorizedError("send the token as `Authorization: Bearer …`; it is in <state>/token")


def _bytes(given: str) -> bytes:
    """Encode a header. Servers decode bytes that are not UTF-8 to lone surrogates, which plain `encode` refuses."""
    return given.encode("utf-8", "surrogateescape")


def check_origin(hosts: Sequence[str], origins: Sequence[str]) -> None:
    """Raise ForbiddenOriginError for a page of another site, and for a host name that may be used for DNS rebinding.

    Rebinding needs a name with a dot, which `localhost` and compose's service names do not have. `hosts` and `origins`
    are all values of the two headers.
    """
    if len(hosts) != 1:
        raise ForbiddenOriginError(f"expected one Host header, found {len(hosts)}")
    (host,) = hosts
    try:
        name = urlsplit(f"//{host}").hostname or ""
        asked_by = [urlsplit(origin).netloc for origin in origins]
    except ValueError as error:  # such as `[::1`
        raise ForbiddenOriginError(f"Host {host[:80]!r} or Origin is not an address") from error
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
