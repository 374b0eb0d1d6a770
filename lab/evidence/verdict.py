"""What a run is found to be, and the file that says so (`verdict.json`). Times are seconds since the run started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..output.atomic_write import write_whole
from ..output.json_text import dumps, loads

SCHEMA = 1
"""Version of `verdict.json`; raised when a reader of the old one would misread the new one."""


class Verdict(StrEnum):
    """The three answers. The exit code follows Jepsen's convention."""

    PASS = "pass"
    UNKNOWN = "unknown"
    FAIL = "fail"

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 unknown."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 2}[self]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Compose: fail > unknown > pass. Nothing checked is `unknown`: silence is no evidence."""
    found = set(verdicts)
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        if verdict in found:
            return verdict
    return Verdict.PASS if found else Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class Check:
    """One checker's answer; `detail` says in one or a few sentences what was found, with numbers."""

    name: str
    verdict: Verdict
    detail: str
    asserted: bool = True
    """False: nothing was asked of this run here, so it passes without having held, and is shown as neither."""

    @classmethod
    def not_asserted(cls, name: str, why: str = "not asserted by the scenario") -> Check:
        """The scenario does not ask for it, or load or balancer have nothing to be asked about."""
        return cls(name, Verdict.PASS, why, asserted=False)


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests after the warm-up. `total = ok + failed + unknown`; a slow one is ok, too, and counted twice."""

    total: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    slow: int = 0


@dataclass(frozen=True, slots=True)
class FaultResult:
    """One fault of the run as it happened and what the balancer made of it."""

    kind: str
    target: str
    mechanism: str
    injected_at: float | None
    healed_at: float | None
    bit: bool | None
    """Whether the chaos service measured that it took effect; None when it could not tell."""
    reroute_s: float | None
    """From `injected_at` to the last moment traffic still went to the target; 0.0 when none did."""
    bound_s: float | None
    """The hard bound on `reroute_s` from the balancer's live configuration, without help from traffic."""
    readmit_s: float | None
    """From `healed_at` to the balancer using the target again; None when it did not."""
    readmit_bound_s: float | None
    reroute_traffic_bound_s: float | None = None
    """The tighter bound that holds while traffic flows; reported, not asserted."""
    heal_started_at: float | None = None
    """End of the fault's window: from here on the target may work again although nobody has seen it yet."""
    instance: str = ""
    backends: tuple[str, ...] = ()
    """Ids under which the balancer knew the target when the fault was injected."""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs (POSTs) against the backends' ledgers. `sent` and `executed` count ids, the rest are violations.

    None: jobs were sent, and the ledgers could not be read.
    """

    sent: int = 0
    executed: int | None = 0
    lost: int | None = 0
    """Answered ok, yet in no ledger."""
    duplicated: int | None = 0
    """Executed more than once."""
    zombie: int | None = 0
    """Executed after the client had been told that it failed, or had stopped waiting."""


class Phase(StrEnum):
    """Where in the life of a fault a bad request falls."""

    BEFORE_DETECTION = "before_detection"
    """The balancer had not taken the backend out yet: the price of detection."""
    DRAINING = "draining"
    """Sent before the fault or its detection, ended after: it was on its way."""
    AFTER_BOUND = "after_bound"
    """Sent to the faulted backend later than the bound allows."""
    INJECTING = "injecting"
    """Under way while the fault was being injected: its target did not answer (the fault was there before anybody could
    say so), or the answer was slow and the host was seen busy with the injection: the lab's own doing."""
    UNEXPLAINED = "unexplained"
    """No fault explains it."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Why one bad request was bad. `fault` is an index into the verdict's faults; None when unexplained."""

    request: int
    outcome: str
    """`failed`, `unknown` or `slow`."""
    fault: int | None
    backend: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """Everything `verdict.json` holds."""

    run_id: str
    started: str
    """Wall-clock start, ISO 8601 UTC: for people; nothing is computed from it."""
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
    """99th percentile of how late the generator sent its requests."""
    attributions: tuple[Attribution, ...] = ()
    """Every bad request, in order of invocation."""
    schema: int = field(default=SCHEMA)

    def to_json(self) -> str:
        """The text of `verdict.json`."""
        fields = asdict(self)
        return dumps({"schema": fields.pop("schema"), **fields}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunVerdict:
        """Read `verdict.json` back. Raises ValueError when it is not one of this schema."""
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
        """Write `verdict.json` into the run's folder, whole or not at all. Raises OSError (disk full)."""
        write_whole(run_dir / "verdict.json", self.to_json())


def _fault(raw: dict[str, Any]) -> FaultResult:
    return FaultResult(**{**raw, "backends": tuple(raw.get("backends", ()))})


def _check(raw: dict[str, Any]) -> Check:
    return Check(raw["name"], Verdict(raw["verdict"]), raw["detail"], raw.get("asserted", True))


def _attribution(raw: dict[str, Any]) -> Attribution:
    return Attribution(**{**raw, "phase": Phase(raw["phase"])})
