"""Who may order misbehaviour: whoever sends the token. Clients reach `PUT /misbehave` through the balancer too."""

from __future__ import annotations

from hmac import compare_digest
from pathlib import Path

from .errors import MisbehaviourDisabledError, UnauthorizedError


class OrderGate:
    """Lets an order through, or raises the reason why not. Where no token is configured, every order is refused."""

    def __init__(self, token: str = "", file: Path | None = None) -> None:
        """The token, or the file that holds it. The chaos service may write that file later than the replica starts,
        so it is read at each order."""
        self._token = token
        self._file = file

    def check(self, given: str | None) -> None:
        """Judge the bearer token that an order came with, in constant time.

        Raises `MisbehaviourDisabledError` where there is no token, `UnauthorizedError` where it is not the one sent.
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
