"""`lab faults kinds`, and the parameters of all kinds in the help of `lab faults inject`."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

from ..errors import BadArgumentsError
from ..scenario import fault_kinds
from ..scenario.fault_kinds import FaultKind
from . import candidates
from .common import JsonOption, message_console, print_json, print_paragraph


def kinds(
    chosen: Annotated[
        list[str] | None,
        typer.Argument(metavar="KIND…", help="Show these with all parameters.", autocompletion=candidates.kinds),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the kinds of faults: parameters, mechanisms, and what a balancer sees. Needs no running lab."""
    known = fault_kinds.known().kinds
    for kind in chosen or ():
        if kind not in known:
            close = difflib.get_close_matches(kind, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise BadArgumentsError(
                f"{kind} is not a known fault{hint}", f"lab faults kinds; there are {', '.join(known)}"
            )
    shown = {kind: known[kind] for kind in chosen or known}
    console = message_console(as_json)
    if as_json:
        print_json({"kinds": {kind: _document(fault) for kind, fault in shown.items()}})
    elif chosen:
        for kind, fault in shown.items():
            _show(console, kind, fault)
    else:
        _list(console, shown)


class WithParameters(TyperCommand):
    """A command whose help ends with the parameters of all kinds that come with the lab."""

    def format_epilog(self, _ctx: Any, formatter: Any) -> None:
        """Write a list in which a parameter that is the same for several kinds stands once."""
        same: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for kind, fault in fault_kinds.built_in().kinds.items():
            for name, rule in fault.parameters.items():
                same[name, f"{fault_kinds.values(rule)}; {_default(fault, name)}"].append(kind)
        rows = sorted(same.items(), key=lambda row: len(row[1]))
        with formatter.section("Parameters of each KIND"):
            formatter.write_dl([(f"{', '.join(those)}: {name}", text) for (name, text), those in rows])


def _list(console: Console, shown: Mapping[str, FaultKind]) -> None:
    width = max(map(len, shown))
    for kind, fault in shown.items():
        mechanisms = [f"{runtime}: {mechanism or 'not possible'}" for runtime, mechanism in fault.mechanisms.items()]
        console.print(Text.assemble((f"{kind:<{width}}", "bold"), f"  {' · '.join(mechanisms)}"), soft_wrap=True)
        print_paragraph(console, fault.summary)
        if fault.parameters:
            print_paragraph(console, f"--param {', '.join(_required_first(fault))}", style="dim")
    console.print("  next: lab faults kinds KIND, for the values of its parameters (* is required)", soft_wrap=True)


def _required_first(fault: FaultKind) -> list[str]:
    return [f"{name}*" for name in fault.parameters if name in fault.required] + [
        name for name in fault.parameters if name not in fault.required
    ]


def _show(console: Console, kind: str, fault: FaultKind) -> None:
    """Print one kind with all its parameters, and an order for it."""
    console.print(kind, style="bold")
    print_paragraph(console, fault.summary)
    for runtime, mechanism in fault.mechanisms.items():
        print_paragraph(console, f"{runtime}: {mechanism or f'not possible; it lacks {fault.lacking}'}")
    if fault.parameters:
        table = Table("parameter", "values", "", "meaning", box=None, pad_edge=False, header_style="dim")
        for name, rule in fault.parameters.items():
            table.add_row(name, fault_kinds.values(rule), _default(fault, name), rule["description"])
        console.print(table)
    params = "".join(f" --param {name}={value}" for name, value in fault.example.items())
    console.print(f"  next: lab faults inject {kind} api-1 --duration 5s{params}\n", soft_wrap=True)


def _default(fault: FaultKind, name: str) -> str:
    if name in fault.required:
        return "required"
    return f"default {fault.parameters[name]['default']}" if "default" in fault.parameters[name] else "optional"


def _document(fault: FaultKind) -> dict[str, Any]:
    return {**asdict(fault), "required": sorted(fault.required)}
