"""A sample of `lab bench advise`: no time measured with a real program is above the one that the adviser predicts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing

pytestmark = pytest.mark.alone  # other work on the machine would delay what is measured


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reroute_lab.lab", "bench", "advise", "--settings", "matched", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=170, check=False)


def rows(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], Any]:
    assert done.stdout, done.stderr
    return {(row["program"], row["fault"]): row for row in json.loads(done.stdout)["rows"]}


@pytest.mark.timeout(400)
def test_no_measured_time_is_above_its_prediction(tmp_path: Path) -> None:
    for name in ("haproxy", "caddy", "nginx"):
        found = ADAPTERS[name].find()
        if isinstance(found, Missing):
            pytest.skip(f"{name} is not installed: {found.install}")
    sample = ("--balancers", "haproxy", "--faults", "pause,drain")
    first = bench(tmp_path, *sample, "--phases", "1", "--seed", "5", "--json")
    (folder,) = (each.parent for each in tmp_path.glob("results/*/advise.json"))
    other = ("--balancers", "nginx,caddy", "--faults", "pause")
    second = bench(tmp_path, *other, "--phases", "1", "--append", str(folder), "--json")
    together = rows(second)
    assert [*together] == [("haproxy", "pause"), ("haproxy", "drain"), ("nginx", "pause"), ("caddy", "pause")]
    for cell, row in together.items():
        assert row["verdict"] in {"holds", "loose"}, (cell, row)
        # The fault was really there: a balancer cannot notice a pause sooner than by a time-out of 0.4 s.
        assert max(row["measured_s"]) > (0.4 if row["fault"] == "pause" else 0.0), (cell, row)
    assert {cell: row for cell, row in together.items() if cell[0] == "haproxy"} == rows(first)
    assert (first.returncode, second.returncode) == (0, 0)
    again = bench(tmp_path, *sample, "--phases", "0", "--append", str(folder), "--json")
    assert rows(again) == together
    assert again.returncode == 0
