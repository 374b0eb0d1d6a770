"""Finds out where the answers of a balancer name the backend that gave them.

A place qualifies if the values found there repeat, are no more than there are backends, and can be matched to them: by
the container's host name, id or address, because the backend gives the same value when it is asked directly, or because
the value always comes together with one that can be matched.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .their_project import Container

REQUESTS_PER_BACKEND: Final = 8
"""Number of requests. With three backends and random choice, one is missed once in 17,000 surveys."""
_DEPTH: Final = 4
_PER_REQUEST: Final = re.compile(r"date|age|etag|last-modified|content-.*|.*request-id|.*trace.*|set-cookie|expires")
"""Headers that name no backend."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield each place that could name a backend (`header:NAME`, …), and its value."""
        for name, value in self.headers:
            if name.lower() == "set-cookie":
                cookie, _, rest = value.partition("=")
                yield f"cookie:{cookie.strip()}", rest.partition(";")[0].strip()
            elif not _PER_REQUEST.fullmatch(name.lower()):
                yield f"header:{name}", value
        try:
            document = json.loads(self.body)
        except ValueError:
            return
        yield from _leaves(document, "json:", _DEPTH)


@dataclass(frozen=True, slots=True)
class Naming:
    """Where answers name their backend."""

    identify: str
    names: Mapping[str, str]
    """Value → target; only for values that cannot be matched without it."""
    seen: tuple[str, ...]
    """Targets that answered."""


def find_naming(
    answers: Sequence[Answer], backends: Sequence[Container], direct: Mapping[str, Answer], wanted: str = ""
) -> Naming | None:
    """Return the best place, or the wanted one, if all its values can be matched; otherwise None.

    `direct` has the answer that each target gave when it was asked directly.
    """
    seen = [dict(answer.places()) for answer in answers]
    own = {target: dict(answer.places()) for target, answer in direct.items()}
    every = sorted({place for each in seen for place in each})
    places = {place for place in every if not wanted or place.lower() == wanted.lower()}
    proven = {place: found for place in every if (found := _proven(place, seen, own, backends))}
    namings = [_naming(place, known, backends) for place, known in proven.items() if place in places]
    namings += [
        _naming(place, known, backends)
        for place in sorted(places - proven.keys())
        if (known := _together(place, seen, proven))
    ]
    return max(
        namings,
        key=lambda each: (len(each.seen), -len(each.names), each.identify.startswith("header:")),
        default=None,
    )


def called(container: Container) -> set[str]:
    """Return the texts by which a backend may name itself, or a balancer the backend's address.

    A name such as `web-1` is not among them: balancers number their servers in an order of their own.
    """
    addresses = set(filter(None, container.networks.values()))
    return {container.hostname, container.id[:12], container.id, *addresses}


def _proven(
    place: str, seen: Sequence[Mapping[str, str]], own: Mapping[str, Mapping[str, str]], backends: Sequence[Container]
) -> dict[str, str]:
    """Return value → target for a place whose values the backends prove themselves; empty if one stays unknown."""
    values = _values(place, seen, len(backends))
    known = {}
    for value in values:
        host = value.rpartition(":")[0] or value
        matches = {each.target for each in backends if {value, host} & called(each)}
        matches |= {target for target, told in own.items() if told.get(place) == value}
        if len(matches) == 1:
            known[value] = matches.pop()
    return known if known.keys() == values and len(set(known.values())) == len(known) else {}


def _together(place: str, seen: Sequence[Mapping[str, str]], proven: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return value → target for a place whose values always come with the same backend in a proven place."""
    for other, known in proven.items():
        pairs = {(each[place], known[each[other]]) for each in seen if place in each and other in each}
        found = dict(pairs)
        if pairs and len(found) == len(pairs) == len(set(found.values())):
            return found
    return {}


def _values(place: str, seen: Sequence[Mapping[str, str]], most: int) -> set[str]:
    """Return the values at a place; empty if there are more than backends, or if one occurs only once."""
    counts = Counter(each[place] for each in seen if place in each)
    return set(counts) if counts and len(counts) <= most and min(counts.values()) > 1 else set()


def _naming(place: str, known: Mapping[str, str], backends: Sequence[Container]) -> Naming:
    by_target = {each.target: each for each in backends}
    names = {
        value: target
        for value, target in sorted(known.items())
        if not {value, value.rpartition(":")[0]} & called(by_target[target])
    }
    return Naming(place, names, tuple(sorted(known.values())))


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the JSON pointer (RFC 6901) of each text or number."""
    if isinstance(value, str) and path != "json:":
        yield path, value
    elif isinstance(value, dict) and depth:
        for key, each in value.items():
            yield from _leaves(each, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}", depth - 1)
