"""The verdict on a run and its file, `verdict.json`. Times are seconds since the run's start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..output.atomic_write import write_atomically
from ..output.json_text import dumps, loads

SCHEMA = 1
"""Version of `verdict.json`. Increase it whenever a reader of the old version would misread the new one."""


class Verdict(StrEnum):
    """The three possible verdicts. The exit codes follow Jepsen's convention."""

    PASS = "pass"
    UNKNOWN = "unknown"
    FAIL = "fail"

    @property
    def exit_code(self) -> int:
        """0 for pass, 1 for fail, 2 for unknown."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 2}[self]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict (fail, then unknown, then pass), or `unknown` if nothing was checked."""
    found = set(verdicts)
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        if verdict in found:
            return verdict
    return Verdict.PASS if found else Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one checker. `detail` says in one or a few sentences what was found, with numbers."""

    name: str
    verdict: Verdict
    detail: str
    asserted: bool = True
    """False if the checker had nothing to check in this run. It then counts as `pass`, but is not shown as passed."""

    @classmethod
    def not_asserted(cls, name: str, why: str = "not asserted by the scenario") -> Check:
        """Return the result of a checker that the scenario does not use, or that has nothing to check in this run."""
        return cls(name, Verdict.PASS, why, asserted=False)


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Counts of requests after the warm-up. `total = ok + failed + unknown`; slow requests are counted in `ok` too."""

    total: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    slow: int = 0


@dataclass(frozen=True, slots=True)
class FaultResult:
    """One fault of the run as it happened, and how fast the balancer reacted."""

    kind: str
    target: str
    mechanism: str
    injected_at: float | None
    healed_at: float | None
    bit: bool | None
    """Whether the chaos service measured that the fault took effect; None if it could not tell."""
    reroute_s: float | None
    """Seconds from `injected_at` to the last request that still went to the target; 0.0 if none did."""
    bound_s: float | None
    """Bound on `reroute_s` from the balancer's live configuration; it holds without any traffic."""
    readmit_s: float | None
    """Seconds from `healed_at` until the balancer used the target again; None if it did not."""
    readmit_bound_s: float | None
    reroute_traffic_bound_s: float | None = None
    """The tighter bound that holds while traffic flows; reported, not asserted."""
    heal_started_at: float | None = None
    """End of the fault's window: from here on the target may work again, although no probe has verified it yet."""
    instance: str = ""
    backends: tuple[str, ...] = ()
    """Ids of the target in the balancer when the fault was injected."""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs (`POST /jobs`) compared with the backends' ledgers. Counts are numbers of job ids.

    All counts except `sent` are None if jobs were sent and the ledgers could not be read, or if the load only has
    requests to another application.
    """

    sent: int = 0
    executed: int | None = 0
    lost: int | None = 0
    """Jobs acknowledged to the client, but in no ledger."""
    duplicated: int | None = 0
    """Jobs executed more than once."""
    zombie: int | None = 0
    """Jobs executed after the client had received an error or stopped waiting."""


class Phase(StrEnum):
    """When, relative to its fault, a bad request was sent."""

    BEFORE_DETECTION = "before_detection"
    """Sent before the balancer took the backend out."""
    DRAINING = "draining"
    """Sent before the fault or before its detection, and ended after it."""
    AFTER_BOUND = "after_bound"
    """Sent to the faulted backend later than the bound allows."""
    INJECTING = "injecting"
    """In flight while the fault was being injected. Either its target did not answer, because the fault took effect
    before its injection was reported, or the response was slow because the injection kept the host busy."""
    UNEXPLAINED = "unexplained"
    """No fault explains the request."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The cause of one bad request."""

    request: int
    """Id of the request."""
    outcome: str
    """`failed`, `unknown` or `slow`."""
    fault: int | None
    """Index into the verdict's faults; None if no fault explains the request."""
    backend: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """The contents of `verdict.json`."""

    run_id: str
    started: str
    """Wall-clock time of the start, ISO 8601 in UTC. For display only; nothing is computed from it."""
    verdict: Verdict
    scenario: str
    runtime: str
    balancer: str
    seed: int
    requests: RequestCounts
    faults: tuple[FaultResult, ...]
    work: Work
    checks: tuple[Check, ...]
    lag_p99_s: float | None
    """99th percentile of how late the generator sent its requests, seconds; None without requests."""
    attributions: tuple[Attribution, ...] = ()
    """One entry per bad request, in order of invocation."""
    schema: int = field(default=SCHEMA)

    def to_json(self) -> str:
        """Return the text of `verdict.json`."""
        fields = asdict(self)
        return dumps({"schema": fields.pop("schema"), **fields}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunVerdict:
        """Return the verdict in the text of a `verdict.json`. Raise ValueError if it is not of this schema."""
        raw: dict[str, Any] = loads(text)
        if raw.get("schema") != SCHEMA:
            raise ValueError(f"verdict.json has schema {raw.get('schema')!r}, this lab reads {SCHEMA}")
        try:
            return cls(
                **{
                    **raw,
                    "verdict": Verdict(raw["verdict"]),
                    "requests": RequestCounts(**raw["requests"]),
                    "faults": tuple(_fault(each) for each in raw["faults"]),
                    "work": Work(**raw["work"]),
                    "checks": tuple(_check(each) for each in raw["checks"]),
                    "attributions": tuple(_attribution(each) for each in raw["attributions"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"verdict.json is malformed: {error}") from error

    def write(self, run_dir: Path) -> None:
        """Write `verdict.json` into the run's folder atomically. Raise OSError (disk full)."""
        write_atomically(run_dir / "verdict.json", self.to_json())


def _fault(raw: dict[str, Any]) -> FaultResult:
    return FaultResult(**{**raw, "backends": tuple(raw.get("backends", ()))})


def _check(raw: dict[str, Any]) -> Check:
    return Check(raw["name"], Verdict(raw["verdict"]), raw["detail"], raw.get("asserted", True))


def _attribution(raw: dict[str, Any]) -> Attribution:
    return Attribution(**{**raw, "phase": Phase(raw["phase"])})
