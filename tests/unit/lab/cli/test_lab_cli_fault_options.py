from __future__ import annotations

import pytest

from lab.cli.fault_calls import pairs
from lab.errors import BadArgumentsError


def test_options_become_a_dictionary() -> None:
    assert pairs("--param", ["delay=1s", "peer=a=b", "model="]) == {"delay": "1s", "peer": "a=b", "model": ""}


@pytest.mark.parametrize("given", ["delay", "=1s", "", "="])
def test_what_is_no_pair_is_refused(given: str) -> None:
    with pytest.raises(BadArgumentsError, match="is not NAME=VALUE"):
        pairs("--param", [given])


def test_a_name_that_is_given_twice_is_refused() -> None:
    """The last one would win, and the first one be forgotten."""
    with pytest.raises(BadArgumentsError, match="--param delay is given twice"):
        pairs("--param", ["delay=1s", "peer=api-2", "delay=2s"])
