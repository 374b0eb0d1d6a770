"""What the acceptance of the balancer's brain counts in the files of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCENARIO = """\
version: 1
title: {fault} under {request}
load:
  rate: 200/s
  mix: [{{request: {request}, share: 100%}}]
warm_up: 1s
steady_state: 2s
steps: [{{at: 0s, fault: {fault}, target: any, duration: 4s}}]
expect: {{reroute: within_bound, readmit: within_bound}}
"""


@dataclass
class Sent:
    """One request of the history."""

    due: float
    method: str
    ended: float = float("inf")
    verdict: str = "open"
    status: int = 0
    tried: list[str] = field(default_factory=list)

    @property
    def latency_s(self) -> float:
        return self.ended - self.due


@dataclass
class Run:
    """One finished run: its verdict, its requests after the warm-up, and what the balancer said meanwhile."""

    verdict: dict[str, Any]
    requests: list[Sent]
    events: list[dict[str, Any]]

    @property
    def failed(self) -> int:
        return sum(request.verdict != "ok" for request in self.requests)

    @property
    def slow(self) -> int:
        """Answered well, later than 250 ms after they were due."""
        return sum(request.verdict == "ok" and request.latency_s > 0.25 for request in self.requests)

    @property
    def gave_up(self) -> int:
        """Answered 504: the balancer could not know whether the backend had executed them."""
        return sum(request.status == 504 for request in self.requests)

    def moves(self, *states: str) -> list[dict[str, Any]]:
        """When which backend entered one of the states."""
        return [event for event in self.events if event["type"] == "transition" and event["new"] in states]

    def during(self, begin: float, end: float) -> list[Sent]:
        return [request for request in self.requests if begin <= request.due < end]


def read_run(folder: Path) -> Run:
    """Read `results/<run-id>/`."""
    verdict = json.loads((folder / "verdict.json").read_text())
    plan = json.loads((folder / "plan.json").read_text())
    requests: dict[int, Sent] = {}
    for line in _lines(folder / "history.jsonl"):
        if line["e"] == "invoke":
            requests[line["id"]] = Sent(line["due"], line["method"])
        elif line["id"] in requests:
            sent = requests[line["id"]]
            sent.ended, sent.verdict, sent.status = line["t"], line["e"], line["status"] or 0
            sent.tried = line["tried"] or []
    measured = [sent for sent in requests.values() if sent.due >= plan["warm_up_s"]]
    return Run(verdict, measured, [event for event in _lines(folder / "events.jsonl") if event["source"] == "lb"])


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        yield json.loads(line)
