"""Authentication of orders to misbehave. Without it, any client of the balancer could send one."""

from __future__ import annotations

from hmac import compare_digest
from pathlib import Path

from .errors import MisbehaviourDisabledError, UnauthorizedError


class OrderGate:
    """Checks the token of an order. If no token is configured, every order is refused."""

    def __init__(self, token: str = "", file: Path | None = None) -> None:
        """Take the token, or the file that contains it. The file is read at each order, because the chaos service may
        create it after the replica has started."""
        self._token = token
        self._file = file

    def check(self, given: str | None) -> None:
        """Check the bearer token of an order, in constant time.

        Raise MisbehaviourDisabledError if no token is configured, UnauthorizedError if `given` differs from it.
        """
        token = self._token or self._from_file()
        if not token:
            raise MisbehaviourDisabledError
        if given is None or not compare_digest(given.encode(), token.encode()):
            raise UnauthorizedError

    def _from_file(self) -> str:
        try:
            return self._file.read_text(encoding="utf-8").strip() if self._file else ""
        except (OSError, UnicodeDecodeError):
            return ""
