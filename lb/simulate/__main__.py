"""`python -m lb.simulate`: run the simulation and print one JSON document per line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from ..core.policies import POLICIES
from ..extensions import add_policies
from . import json_lines
from .disruption import disruptions
from .measure import run
from .pick_cost import costs
from .scenario import SCENARIOS


def main(arguments: Sequence[str] | None = None) -> int:
    """Return exit code 0, or 2 for bad arguments."""
    add_policies()
    options = _parser().parse_args(arguments)
    for document in _documents(options):
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
    return 0


def _documents(options: argparse.Namespace) -> Iterator[json_lines.Document]:
    match options.what:
        case "list":
            yield {"kind": "list", "scenarios": list(SCENARIOS), "policies": sorted(POLICIES)}
        case "keys":
            yield from ({"kind": "disruption", **asdict(each)} for each in disruptions())
        case "cost":
            yield from ({"kind": "cost", **asdict(each)} for each in costs())
        case _:
            yield from _cells(options)


def _cells(options: argparse.Namespace) -> Iterator[json_lines.Document]:
    for name in options.scenario or SCENARIOS:
        scenario = SCENARIOS[name].scaled(options.scale)
        yield json_lines.describe_scenario(scenario)
        for policy in options.policy or sorted(POLICIES):
            yield json_lines.combine_runs(
                scenario, policy, [run(scenario, policy, seed) for seed in range(options.seeds)]
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m lb.simulate", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("list", help="the names of scenarios and policies")
    what.add_parser("keys", help="share of the keys that move when a backend leaves")
    what.add_parser("cost", help="CPU time of picking a backend")
    run_ = what.add_parser("run", help="simulate policies in scenarios, with the theoretical values")
    run_.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="may be repeated; default: all")
    run_.add_argument("--policy", action="append", choices=sorted(POLICIES), help="may be repeated; default: all")
    run_.add_argument("--seeds", type=_count, default=3, help="independent runs per scenario and policy (default: 3)")
    run_.add_argument("--scale", type=_factor, default=1.0, help="factor on the measured time (default: 1)")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return int(text)


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0.01 <= factor <= 1000.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.01 to 1000")
    return factor


if __name__ == "__main__":
    sys.exit(main())
