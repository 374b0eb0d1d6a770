"""What derives from the fault kinds that chaos declares is up to date, and the lab reads it as chaos means it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from chaos.faults import FAULTS
from chaos.faults.bound import Family
from lab.scenario.fault_kinds import built_in, complaints
from lb.core.bounds import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
KINDS = built_in().kinds


def test_the_copies_are_what_chaos_publishes() -> None:
    """The lab's JSON, the balancer's table and the list in docs/faults.md, byte by byte."""
    script = [sys.executable, "scripts/fault_kinds.py", "--check"]
    compared = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_the_balancer_knows_every_family_of_bounds() -> None:
    assert {family.value for family in Family} == set(FAMILIES)


def test_the_lab_reads_all_kinds() -> None:
    assert set(KINDS) == set(FAULTS)


VALUES = (
    "100ms 0s 60s 61s 5us 0% 30% 57% 101% 500 599 499 600 -1 x normal gilbert-elliott both netem htb nfqueue "
    "1mbit 7kbit 11gbit 64MiB 5MiB all 0 65536"
)


@pytest.mark.parametrize("value", VALUES.split())
@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_what_one_refuses_the_other_refuses(kind: str, value: str) -> None:
    needed = KINDS[kind].example
    assert complaints(kind, needed) == []
    for name in KINDS[kind].parameters:
        params = needed | {name: value}
        try:
            FAULTS[kind].params.model_validate(params)
            accepted = True
        except ValidationError:
            accepted = False
        assert (complaints(kind, params) == []) is accepted, f"{kind} {params}"
