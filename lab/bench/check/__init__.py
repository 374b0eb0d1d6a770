"""Measures time and memory of judging a long synthetic run, in a process of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ...errors import LabError
from ...evidence.verdict import Verdict
from ...processes.child_environment import child_environment
from ...processes.launch import words
from .synthetic import write_run


@dataclass(frozen=True, slots=True)
class JudgingCost:
    """Time and memory that the judging process used."""

    requests: int
    """Requests in the history. Each has two lines: invocation and outcome."""
    history_bytes: int
    load_s: float
    judge_s: float
    cpu_s: float
    """CPU time of the whole process, including its start. On a busy host it is more reliable than `load_s` and
    `judge_s`, which are wall-clock times."""
    peak_mb: float
    """Largest resident memory of the whole process, in MB (10⁶ bytes), as the kernel counts it."""
    verdict: Verdict

    @property
    def total_s(self) -> float:
        """Time from files to verdict."""
        return self.load_s + self.judge_s


def bench(requests: int, folder: Path) -> JudgingCost:
    """Write a run with `requests` requests into `folder` and judge it. Raise LabError if the judging process fails."""
    write_run(folder, requests)
    size = (folder / "history.jsonl").stat().st_size
    command = words("lab.bench.check.measure", str(folder))
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", env=child_environment(), check=False)
    if ended.returncode != 0:
        raise LabError(f"the judging process failed: {(ended.stderr.strip() or 'no message').splitlines()[-1]}")
    found = json.loads(ended.stdout)
    return JudgingCost(
        requests=found["requests"],
        history_bytes=size,
        load_s=found["load_s"],
        judge_s=found["judge_s"],
        cpu_s=found["cpu_s"],
        peak_mb=found["peak_mb"],
        verdict=Verdict(found["verdict"]),
    )
