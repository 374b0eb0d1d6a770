"""How long and how much memory the judgement of a long run takes: a made-up run, judged by a process of its own."""

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
class Found:
    """What the judging process says of itself."""

    requests: int
    """Each of them has two lines in the history: its invocation and its outcome."""
    history_bytes: int
    load_s: float
    judge_s: float
    cpu_s: float
    """Of the whole process, its start included: on a busy host the times above say more about the host."""
    peak_mb: float
    """Largest resident memory of the whole process, in MB (10⁶ bytes), as the kernel counts it."""
    verdict: Verdict

    @property
    def total_s(self) -> float:
        """From files to verdict."""
        return self.load_s + self.judge_s


def bench(requests: int, folder: Path) -> Found:
    """Write a run of so many requests into `folder` and judge it. Raises LabError when the judging process fails."""
    write_run(folder, requests)
    size = (folder / "history.jsonl").stat().st_size
    command = words("lab.bench.check.measure", str(folder))
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", env=child_environment(), check=False)
    if ended.returncode != 0:
        raise LabError(f"the judging process failed: {(ended.stderr.strip() or 'no message').splitlines()[-1]}")
    told = json.loads(ended.stdout)
    return Found(
        requests=told["requests"],
        history_bytes=size,
        load_s=told["load_s"],
        judge_s=told["judge_s"],
        cpu_s=told["cpu_s"],
        peak_mb=told["peak_mb"],
        verdict=Verdict(told["verdict"]),
    )
