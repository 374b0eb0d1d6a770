"""The chaos service, the scenario language and the documentation name the same faults with the same parameters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from chaos.faults import FAULTS
from lab.scenario.fault_kinds import PARAMETERS, FaultKind, complaints

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


def documented() -> dict[str, set[str]]:
    """Fault kind → its parameters, from the table in docs/faults.md."""
    table = DOCUMENT.read_text().split("## The list\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, re.MULTILINE)
    return {kind: set(re.findall(r"`(\w+)`", parameters)) for kind, parameters in rows}


def test_all_three_know_the_same_kinds() -> None:
    assert set(FAULTS) == set(get_args(FaultKind)) == set(PARAMETERS) == set(documented())


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_all_three_know_the_same_parameters(kind: str) -> None:
    fields = FAULTS[kind].params.model_fields
    assert {name: field.is_required() for name, field in fields.items()} == {
        name: rule.required for name, rule in PARAMETERS[kind].items()
    }
    assert documented()[kind] == set(fields)


VALUES = (
    "100ms 0s 60s 61s 0% 30% 101% 500 599 499 600 x normal gilbert-elliott both netem htb nfqueue "
    "1mbit 7kbit 11gbit 64MiB 5MiB all 0 65536"
)


@pytest.mark.parametrize("value", VALUES.split())
@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_what_one_refuses_the_other_refuses(kind: str, value: str) -> None:
    samples = {"delay": "1s", "rate": "1mbit", "limit": "64MiB", "peer": "api-2"}
    needed = {name: samples.get(name, "10%") for name, rule in PARAMETERS[kind].items() if rule.required}
    for name in PARAMETERS[kind]:
        params = needed | {name: value}
        try:
            FAULTS[kind].params.model_validate(params)
            accepted = True
        except ValidationError:
            accepted = False
        assert (complaints(kind, params) == []) is accepted, f"{kind} {params}"
