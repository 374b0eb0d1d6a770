"""Authentication of orders to misbehave. Without it, any client of the balancer could send one."""

from __future__ import annotations

import os
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe

from .errors import MisbehaviourDisabledError, UnauthorizedError


def leave_token(folder: Path, instance: str) -> str:
    """Return a new token, and leave it for the chaos service in a file that only the present user can read.

    If each replica then becomes a user of its own, none can read the tokens of the others. Raise `OSError` if the file
    cannot be written."""
    token = token_urlsafe(32)
    draft = folder / f".{instance}"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    draft.replace(folder / instance)
    return token


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
