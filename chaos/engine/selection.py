"""Selects the targets of an order: one by name, or several by filters. Pure.

A random choice takes the names with the lowest rank; a name's rank is a hash of the seed and the name. So the same seed
and names give the same choice on every host and Python version, independent of the order of the runtime's list, and
a backend that joins or leaves does not change the order of the others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..errors import AmbiguousTargetError, BadRequestError, UnknownTargetError
from ..inputs.units import parse_percent

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON parser represents exactly (RFC 8259 §6)."""


def _positive_percent(text: str) -> str:
    if parse_percent(text) == 0:
        raise ValueError("expected more than 0%")
    return text


class Selector(BaseModel):
    """Filters that must all match, and at most one way to choose among the matches. Without one, all are selected."""

    model_config = ConfigDict(extra="forbid")

    names: list[str] | None = Field(default=None, min_length=1)
    """Names of backends. A name that does not exist is an error."""
    role: str | None = None
    """The compose service, or the local process' role."""
    label: str | None = Field(default=None, min_length=1)
    """`key=value`, or `key` for any value."""
    random: int | None = Field(default=None, ge=1)
    """Number of the matches to select."""
    percent: Annotated[str, AfterValidator(_positive_percent)] | None = Field(default=None, examples=["50%"])
    """Share of the matches to select, such as `50%`, rounded up."""
    all_but_one: bool = False
    """Select all matches but one."""
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    """Seed of the choice; without one, a new seed is used and returned in the response."""

    @model_validator(mode="after")
    def _one_way(self) -> Selector:
        ways = [self.random is not None, self.percent is not None, self.all_but_one]
        if sum(ways) > 1:
            raise ValueError("expected at most one of random, percent, all_but_one")
        if self.seed is not None and not any(ways):
            raise ValueError("seed: expected only with random, percent or all_but_one")
        return self

    @property
    def chooses(self) -> bool:
        """Whether the selection depends on the seed."""
        return self.random is not None or self.percent is not None or self.all_but_one


class Selectable(Protocol):
    """The properties of a target that a selection uses."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


S = TypeVar("S", bound=Selectable)


def select(
    wanted: str | Selector, backends: Sequence[S], seed: int, disputed: Mapping[str, str] = MappingProxyType({})
) -> list[S]:
    """Return the selected targets, at least one, sorted by name.

    Raise UnknownTargetError for a name that does not exist and for an empty selection, BadRequestError if fewer
    match than `random` asks for, and AmbiguousTargetError, with the reason, for a name in `disputed`.
    """
    selector = Selector(names=[wanted]) if isinstance(wanted, str) else wanted
    for name in sorted(disputed.keys() & set(selector.names or ())):
        raise AmbiguousTargetError(disputed[name])
    matches = sorted(_matches(selector, backends), key=lambda target: target.name)
    if not matches:
        raise UnknownTargetError("no backend of this lab matches the selection", possible=_names(backends))
    count = _count(selector, len(matches))
    ranked = rank([target.name for target in matches], seed)
    chosen = set(ranked[:count])
    return [target for target in matches if target.name in chosen]


def rank(names: Iterable[str], seed: int) -> list[str]:
    """Return the names by rank, the first to be selected first."""
    return sorted(set(names), key=lambda name: (hashlib.sha256(f"{seed}:{name}".encode()).digest(), name))


def _matches(selector: Selector, backends: Sequence[S]) -> list[S]:
    if selector.names is not None:
        missing = sorted(set(selector.names) - {target.name for target in backends})
        if missing:
            shown = ", ".join(map(repr, missing))
            raise UnknownTargetError(f"this lab has no backend {shown}", possible=_names(backends))
    return [
        target
        for target in backends
        if (selector.names is None or target.name in selector.names)
        and (selector.role is None or target.role == selector.role)
        and (selector.label is None or _has_label(target.labels, selector.label))
    ]


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _count(selector: Selector, available: int) -> int:
    if selector.all_but_one:
        if available == 1:
            raise UnknownTargetError("all_but_one: one backend matches, so the selection is empty")
        return available - 1
    if selector.percent is not None:
        return math.ceil(round(parse_percent(selector.percent) * available, 9))
    if selector.random is not None and selector.random > available:
        raise BadRequestError(f"target.random: {selector.random} asked for, {available} match", [f"1 to {available}"])
    return selector.random or available


def _names(backends: Sequence[Selectable]) -> list[str]:
    return sorted(target.name for target in backends)
