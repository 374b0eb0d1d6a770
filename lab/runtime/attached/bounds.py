"""Bounds of an attached balancer, derived from its configuration by the adviser's models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ...advise.models import model
from ...advise.prediction import Estimate, Fault, Situation
from ...balancers import adapter
from ...balancers.configuration import Configuration
from ...balancers.importing import FEWEST_SERVERS, can_import, choose, collect, guess
from ...errors import BadArgumentsError
from .lab_file import Found

_LONG_S: Final = 3600.0
"""Duration of the predicted fault, seconds: longer than any fault of the lab, so that its end is never the bound."""
_CLIENT_TIMEOUT_S: Final = 3.0
"""Default patience of scenarios."""


def bounds_of_configuration(lab_file: Found) -> tuple[dict[str, Any], ...]:
    """Return a bound for each fault kind that the model knows, as `GET /bounds` would.

    It is empty without a configuration, and if every pool has one server: a name of which DNS finds the addresses.

    Raise `BadArgumentsError` if the files cannot be read.
    """
    if lab_file.content.balancer.config is None:
        return ()
    configuration = read_configuration(lab_file)
    if all(len(pool.servers) < FEWEST_SERVERS for pool in configuration.pools):
        return ()
    pool = choose(configuration, lab_file.content.balancer.frontend, lab_file.content.balancer.pool).pool
    given = Situation(servers=len(pool.servers), outage_s=_LONG_S, drain_s=_LONG_S, client_timeout_s=_CLIENT_TIMEOUT_S)
    found = {each.fault: each for each in model(configuration.program).predict(pool.settings, given)}
    # The packets to a killed container vanish, so its balancer waits for a time-out, as in a blackhole.
    alike = {Fault.KILL: (Fault.KILL, Fault.BLACKHOLE)}
    bounds = []
    for fault, prediction in found.items():
        both = [found[each] for each in alike.get(fault, (fault,))]
        bounds.append(
            {
                "fault": str(fault),
                "reroute_s": _longest([each.visible for each in both]),
                "readmit_s": _longest([each.back for each in both]),
                "formula": prediction.visible.worst.formula if prediction.visible.worst else "",
            }
        )
    return tuple(bounds)


def read_configuration(lab_file: Found) -> Configuration:
    """Return the balancer's configuration. Raise `BadArgumentsError`."""
    balancer = lab_file.content.balancer
    files = [str(lab_file.beside(name)) for name in balancer.config or ()]
    for name in files:
        if not Path(name).exists():
            raise BadArgumentsError(f"{lab_file.path}: balancer.config: there is no {name}")
    program = balancer.program or guess(files)
    if not program:
        raise BadArgumentsError(f"{lab_file.path}: cannot tell which program {files[0]} is for", "balancer.program")
    own = adapter(program).own_files
    if own is None or not can_import(own):
        raise BadArgumentsError(f"{lab_file.path}: the lab cannot read files of {program}", "leave balancer.config out")
    return own.read(collect(files, own))


def _longest(estimates: list[Estimate]) -> float | None:
    """Return the longest worst case in seconds; None if one has no end before the fault's."""
    found = [None if each.worst is None else each.worst.seconds for each in estimates]
    known = [each for each in found if each is not None and each < _LONG_S]
    return max(known) if len(known) == len(found) else None
