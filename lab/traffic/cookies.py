"""Cookies of the load's sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


class CookieJars:
    """One cookie jar for each session. Attributes (path, expiry) are ignored: a run is short and has one origin."""

    def __init__(self) -> None:
        self._jars: dict[int, dict[str, str]] = defaultdict(dict)

    def of(self, session: int | None) -> str:
        """Return the value of the session's `Cookie` header; empty without a session or without cookies."""
        if session is None:
            return ""
        return "; ".join(f"{name}={value}" for name, value in self._jars[session].items())

    def store(self, session: int | None, cookies: Iterable[str]) -> None:
        """Store `name=value` pairs; an empty value deletes the cookie."""
        if session is None:
            return
        for cookie in cookies:
            name, _, value = cookie.partition("=")
            if value:
                self._jars[session][name] = value
            else:
                self._jars[session].pop(name, None)
