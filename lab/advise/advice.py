"""Everything that the adviser says about one pool."""

from __future__ import annotations

from dataclasses import dataclass

from ..balancers.configuration import Configuration, Pool
from .failover_model import FailoverModel
from .findings import Finding, Severity, findings
from .models import model
from .prediction import Input, Prediction, Situation


@dataclass(frozen=True, slots=True)
class Advice:
    """Predictions and findings."""

    program: str
    pool: Pool
    situation: Situation
    predictions: tuple[Prediction, ...]
    findings: tuple[Finding, ...]

    @property
    def dangerous(self) -> bool:
        """Whether there is a finding of severity `danger`."""
        return any(each.severity is Severity.DANGER for each in self.findings)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All settings and assumptions that the predicted durations depend on, each once for each value."""
        found: dict[tuple[str, float], Input] = {}
        for each in self.predictions:
            estimates = (each.notice, each.back)
            sums = [each.get.wait, each.post.wait, *(one.worst for one in estimates if one.worst is not None)]
            for one in sums:
                for given in one.inputs:
                    found.setdefault((given.symbol, given.value), given)
        return tuple(found.values())


def advise(
    configuration: Configuration,
    pool: Pool,
    situation: Situation,
    backend_keep_alive_s: float | None = None,
    using: FailoverModel | None = None,
    version: str = "",
) -> Advice:
    """Return the advice about one pool. `version`: of the program; empty if it is not known.

    Raise `BadArgumentsError` if the program has no model and none is given, or if the version is none.
    """
    using = using or model(configuration.program)
    predictions = tuple(using.predict(pool.settings, situation))
    found = findings(using, pool, configuration, situation, backend_keep_alive_s, version)
    return Advice(configuration.program, pool, situation, predictions, tuple(found))
