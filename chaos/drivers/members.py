"""Selects the containers that are members of the compose project, and names them. Pure.

Compose counts a container if it carries the project's and a service's label, a container number, and `oneoff=False`.
`docker compose run` leaves one-off containers with the same project and service; they are not members.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ..inputs.settings import SERVICE_NAME

SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"
ONEOFF_LABEL = "com.docker.compose.oneoff"
REPLACE_LABEL = "com.docker.compose.replace"
"""Label that compose sets while it re-creates a container: id or name of the container to be replaced."""
PORT_LABEL = "reroute.port"
MOST_NUMBER = 99_999
"""Upper limit of a replica's number. Compose numbers replicas from 1; five digits are more than an engine can run."""
MOST_PORT = 65_535
ALIVE = frozenset({"running", "paused", "restarting"})
_SERVICE = re.compile(SERVICE_NAME)

log = logging.getLogger(__name__)

Summary = Mapping[str, Any]


class Members:
    """Recognizes members among all containers, and warns once of each label that cannot be parsed."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, str]] = set()

    def current(self, summaries: Iterable[Summary]) -> tuple[list[Summary], dict[str, list[str]]]:
        """Return the current container of each name, and for each name without one the ids of its containers."""
        found = list(summaries)
        self._warned &= {(each["Id"], label) for each in found for label in (SERVICE_LABEL, NUMBER_LABEL, PORT_LABEL)}
        claims: dict[str, list[Summary]] = defaultdict(list)
        for each in found:
            if name := self.name(each):
                claims[name].append(each)
        chosen = {name: _current(each) for name, each in claims.items()}
        members = [each for each in chosen.values() if each is not None]
        refused = {name: sorted(each["Id"] for each in claims[name]) for name, one in chosen.items() if one is None}
        return members, refused

    def name(self, summary: Summary) -> str:
        """Return `<service>-<number>`, or an empty string for a container that compose does not count."""
        labels = summary["Labels"] or {}
        if labels.get(ONEOFF_LABEL) != "False" or not labels.get(SERVICE_LABEL) or NUMBER_LABEL not in labels:
            return ""
        if not _SERVICE.fullmatch(labels[SERVICE_LABEL]):
            self._warn(summary, SERVICE_LABEL, "the name of a service")
            return ""
        number = _number(labels[NUMBER_LABEL], MOST_NUMBER)
        if number is None:
            self._warn(summary, NUMBER_LABEL, f"a number, 1 to {MOST_NUMBER}")
            return ""
        return f"{labels[SERVICE_LABEL]}-{number}"

    def service(self, summary: Summary) -> str:
        """Return the compose service, or an empty string for a container that compose does not count."""
        return str(summary["Labels"][SERVICE_LABEL]) if self.name(summary) else ""

    def port(self, summary: Summary, default: int) -> int:
        """Return the port of the label `reroute.port`, else `default`."""
        text = (summary["Labels"] or {}).get(PORT_LABEL)
        if text is None:
            return default
        port = _number(text, MOST_PORT)
        if port is None:
            self._warn(summary, PORT_LABEL, f"a port number, 1 to {MOST_PORT}")
        return port or default

    def _warn(self, summary: Summary, label: str, expected: str) -> None:
        if (summary["Id"], label) not in self._warned:
            self._warned.add((summary["Id"], label))
            value = str(summary["Labels"][label])[:40]
            log.warning("container %s: label %s=%r is ignored: expected %s", summary["Id"][:12], label, value, expected)


def _number(text: str, most: int) -> int | None:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        return None
    return int(text) if 1 <= int(text) <= most else None


def _current(claims: list[Summary]) -> Summary | None:
    """Return the running container, else the one that replaces the others, else the newest. None if several qualify."""
    alive = [each for each in claims if each["State"] in ALIVE] or claims
    left = [each for each in alive if not any(_replaces(other, each) for other in alive)]
    if len(left) > 1 and left[0]["State"] not in ALIVE:
        newest = max(each.get("Created", 0) for each in left)
        left = [each for each in left if each.get("Created", 0) == newest]
    return left[0] if len(left) == 1 else None


def _replaces(other: Summary, one: Summary) -> bool:
    """Return whether compose made `other` to replace `one`.

    The label may be a name, and then the new container, which gets that name in the end, seems to replace itself.
    """
    names = {one["Id"], *(name.lstrip("/") for name in one["Names"] or ())}
    return other["Id"] != one["Id"] and (other["Labels"] or {}).get(REPLACE_LABEL) in names
