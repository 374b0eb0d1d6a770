from __future__ import annotations

from itertools import pairwise, product

import pytest

from chaos.engine.records import NEXT, State
from tests.support.chaos_fakes import entry


@pytest.mark.parametrize(
    "life",
    [
        "injecting active healing healed",
        "injecting healing healed",
        "injecting active healing failed healing healed",
    ],
)
def test_these_lives_are_lived(life: str) -> None:
    fault = entry()
    for state in life.split()[1:]:
        fault.move(State(state))
    assert not fault.unhealed


def test_every_other_step_is_refused() -> None:
    for old, new in product(State, State):
        if new not in NEXT[old]:
            with pytest.raises(ValueError, match=f"from {old} to {new}"):
                entry(state=old).move(new)


def test_only_healed_is_final_and_every_state_leads_there() -> None:
    assert [state for state in State if not NEXT[state]] == [State.HEALED]
    path = [State.INJECTING, State.ACTIVE, State.HEALING, State.FAILED, State.HEALING, State.HEALED]
    assert set(path) == set(State)
    assert all(new in NEXT[old] for old, new in pairwise(path))
