"""Finds the fewest and smallest changes with which a score becomes 0, or as small as possible.

The search knows nothing of balancers. A state chooses one candidate, or none, for each setting. Single changes are
added while they lower the score (a beam search: the best few states of each round continue). If that is not enough,
every setting in turn gets the candidate with the lowest score, even where it changes nothing yet, because some
settings have an effect only together: a time-out, and the counting of time-outs. In the end every change is taken
back, or made smaller, unless that raises the score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

WIDTH: Final = 3
"""States of each round that continue."""
_SAME: Final = 1e-9

State = tuple[int | None, ...]
"""For each setting the number of its candidate, or None for the present value."""
Score = Callable[[State], float | None]
"""0 or less: everything is met. None: the state is not possible."""


@dataclass
class Search:
    """`costs`: for each setting the cost of each of its candidates. The cost of a state is the sum."""

    costs: Sequence[Sequence[float]]
    score: Score
    tried: dict[State, float | None] = field(default_factory=dict)
    """All states so far with their scores."""

    def best(self) -> State:
        """Return the state with the lowest score, and among those found the one with the lowest cost."""
        few = self._relaxed(self._added())
        if self._met(few):
            return few
        found = [few]
        for smallest in (True, False):
            found.append(self._relaxed(self._swept(smallest=smallest)))
            if self._met(found[-1]):
                break
        return min(found, key=self._order)

    def value(self, state: State) -> float | None:
        """Return the score, computed once."""
        if state not in self.tried:
            self.tried[state] = self.score(state)
        return self.tried[state]

    def cost(self, state: State) -> float:
        """Return the sum of the costs of all changes."""
        return sum(self.costs[number][chosen] for number, chosen in enumerate(state) if chosen is not None)

    def _met(self, state: State) -> bool:
        return self._at_least_0(state) == 0.0

    def _at_least_0(self, state: State) -> float:
        """Return the score; 0 for any that is lower, and infinity for a state that is not possible."""
        score = self.value(state)
        return math.inf if score is None else max(score, 0.0)

    def _order(self, state: State) -> tuple[float, float]:
        """Return the key that sorts the best state first."""
        return round(self._at_least_0(state), 9), self.cost(state)

    def _added(self) -> State:
        """Return the best state after adding single changes for as long as they help."""
        start: State = (None,) * len(self.costs)
        best, beam = start, [start]
        while not self._met(best) and (better := self._better(beam)):
            best, beam = better[0], better[:WIDTH]
        return best

    def _better(self, beam: Sequence[State]) -> list[State]:
        """Return the states after one change that have a lower score than before it, the best first."""
        found = {
            moved
            for state in beam
            for moved in self._singles(state)
            if self._at_least_0(moved) < self._at_least_0(state) - _SAME
        }
        return sorted(found, key=self._order)

    def _swept(self, *, smallest: bool) -> State:
        """Return the state after giving every setting its best candidate, again and again.

        `smallest`: whether the smallest or the largest of several candidates is taken that are equally good.
        """
        state: State = (None,) * len(self.costs)
        while True:
            before = self._at_least_0(state)
            for number, own in enumerate(self.costs):
                order = range(len(own)) if smallest else reversed(range(len(own)))
                choices = [_with(state, (number, chosen)) for chosen in order]
                best = min(choices, key=lambda one: round(self._at_least_0(one), 9), default=state)
                if self._at_least_0(best) <= self._at_least_0(state) + _SAME:
                    state = best
            if self._met(state) or self._at_least_0(state) >= before - _SAME:
                return state

    def _singles(self, state: State) -> Iterator[State]:
        """Yield the states after one change, except with candidates that are worse than the present value if alone."""
        start: State = (None,) * len(self.costs)
        limit = self._at_least_0(start) + _SAME
        for number, own in enumerate(self.costs):
            for chosen in range(len(own)):
                if chosen != state[number] and self._at_least_0(_with(start, (number, chosen))) <= limit:
                    yield _with(state, (number, chosen))

    def _relaxed(self, state: State) -> State:
        """Return the state without changes that do not matter, and with smaller ones where they suffice."""
        while (milder := self._milder(state)) is not None:
            state = milder
        return state

    def _milder(self, state: State) -> State | None:
        limit = self._at_least_0(state)
        chosen = [(number, each) for number, each in enumerate(state) if each is not None]
        for number, each in sorted(chosen, key=lambda pair: -self.costs[pair[0]][pair[1]]):
            own = self.costs[number]
            smaller = sorted(
                (other for other in range(len(own)) if own[other] < own[each] - _SAME), key=own.__getitem__
            )
            for other in (None, *smaller):
                if self._at_least_0(milder := _with(state, (number, other))) <= limit + _SAME:
                    return milder
        return None


def _with(state: State, *changes: tuple[int, int | None]) -> State:
    changed = list(state)
    for number, chosen in changes:
        changed[number] = chosen
    return tuple(changed)
