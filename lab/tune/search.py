"""Finds the fewest and smallest changes with which a score becomes 0, or as small as possible.

The search knows nothing of balancers. A state chooses one candidate, or none, for each setting. Single changes are
added while they lower the score (a beam search: the best few states of each round continue). Where no single change
helps, pairs are tried, because some settings have an effect only together: a time-out, and the counting of time-outs.
In the end every change is taken back, or made smaller, unless that raises the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
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
        start: State = (None,) * len(self.costs)
        best, beam = start, [start]
        while not self._met(best):
            better = self._better(beam, self._singles) or self._better([best], self._pairs)
            if not better:
                break
            best, beam = better[0], better[:WIDTH]
        return self._relaxed(best)

    def value(self, state: State) -> float | None:
        """Return the score, computed once."""
        if state not in self.tried:
            self.tried[state] = self.score(state)
        return self.tried[state]

    def cost(self, state: State) -> float:
        """Return the sum of the costs of all changes."""
        return sum(self.costs[number][chosen] for number, chosen in enumerate(state) if chosen is not None)

    def _met(self, state: State) -> bool:
        score = self.value(state)
        return score is not None and score <= 0.0

    def _better(self, beam: Sequence[State], moves: Callable[[State], Iterator[State]]) -> list[State]:
        """Return the states after one move that have a lower score than before it, the best first."""
        found: dict[State, float] = {}
        for state in beam:
            before = self.value(state)
            for moved in moves(state):
                after = self.value(moved)
                if after is not None and (before is None or after < before - _SAME):
                    found[moved] = max(after, 0.0)
        return sorted(found, key=lambda state: (found[state], self.cost(state)))

    def _singles(self, state: State) -> Iterator[State]:
        for number, own in enumerate(self.costs):
            yield from (_with(state, (number, chosen)) for chosen in range(len(own)) if chosen != state[number])

    def _pairs(self, state: State) -> Iterator[State]:
        """Yield the states with two changes more. Of many candidates, only the first and the last are tried."""
        for one, other in combinations(range(len(self.costs)), 2):
            for choice in product(_ends(self.costs[one]), _ends(self.costs[other])):
                yield _with(state, (one, choice[0]), (other, choice[1]))

    def _relaxed(self, state: State) -> State:
        """Return the state without changes that do not matter, and with smaller ones where they suffice."""
        while (milder := self._milder(state)) is not None:
            state = milder
        return state

    def _milder(self, state: State) -> State | None:
        limit = self.value(state)
        chosen = [(number, each) for number, each in enumerate(state) if each is not None]
        for number, each in sorted(chosen, key=lambda pair: -self.costs[pair[0]][pair[1]]):
            own = self.costs[number]
            smaller = sorted(
                (other for other in range(len(own)) if own[other] < own[each] - _SAME), key=own.__getitem__
            )
            for other in (None, *smaller):
                after = self.value(milder := _with(state, (number, other)))
                if after is not None and (limit is None or max(after, 0.0) <= max(limit, 0.0) + _SAME):
                    return milder
        return None


def _with(state: State, *changes: tuple[int, int | None]) -> State:
    changed = list(state)
    for number, chosen in changes:
        changed[number] = chosen
    return tuple(changed)


def _ends(candidates: Sequence[float]) -> tuple[int, ...]:
    return tuple(dict.fromkeys((0, len(candidates) - 1))) if candidates else ()
