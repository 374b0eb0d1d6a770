"""Checkers and adapters of other packages: what is taken, what is left out, what is refused."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from lab.errors import EnvironmentProblemError
from lab.extensions import CHECKERS, load


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, CHECKERS)


def test_what_is_asked_for_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    found = load("checker", ["budgets"], lambda _, value: callable(value), [point("upper", "builtins:print")])
    assert found == {"upper": print}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", ["no_such_module:check", "builtins:no_such_name", "builtins:__name__"])
def test_what_cannot_be_loaded_is_named_and_left_out(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load("checker", [], lambda _, value: callable(value), [point("mine", value)]) == {}
    assert f"lab: checker 'mine' of package unknown ({value}) is left out: " in capsys.readouterr().err


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(EnvironmentProblemError, match=r"checker 'budgets' .*\(mine:check\) has the name .* built in"):
        load("checker", ["budgets"], lambda _, __: True, [point("budgets", "mine:check")])
