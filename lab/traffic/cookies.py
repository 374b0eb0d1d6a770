"""What each session of the load has been told to remember."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


class Jars:
    """One jar a session. Attributes (path, expiry) are ignored: a run is short, and has one origin."""

    def __init__(self) -> None:
        self._jars: dict[int, dict[str, str]] = defaultdict(dict)

    def of(self, session: int | None) -> str:
        """The value of the session's `Cookie` field; empty where there is nothing to say."""
        if session is None:
            return ""
        return "; ".join(f"{name}={value}" for name, value in self._jars[session].items())

    def keep(self, session: int | None, cookies: Iterable[str]) -> None:
        """Remember `name=value` pairs; an empty value forgets."""
        if session is None:
            return
        for cookie in cookies:
            name, _, value = cookie.partition("=")
            if value:
                self._jars[session][name] = value
            else:
                self._jars[session].pop(name, None)
