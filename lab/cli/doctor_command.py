"""`lab doctor`: checks this machine."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from ..doctor import Finding, Level, examine, usable
from ..errors import ExitCode
from .common import JsonOption, message_console, print_json

_WORDS = {
    Level.GOOD: Text("✓ ok", style="green"),
    Level.LESS: Text("! less", style="yellow"),
    Level.MISSING: Text("✗ missing", style="red"),
}


def doctor(as_json: JsonOption = False) -> None:
    """Check this machine: what is available, the effect of each missing part, and the command that provides it.

    Exit 255 only if neither runtime can work.
    """
    findings = examine()
    able = usable(findings)
    if as_json:
        print_json({"runtimes": able, "findings": [finding.as_json() for finding in findings]})
    else:
        _print(findings, able)
    if not any(able.values()):
        raise typer.Exit(ExitCode.INTERNAL)


def _print(findings: list[Finding], able: dict[str, bool]) -> None:
    console = message_console(as_json=False)
    table = Table("", "what", "found", box=None, pad_edge=False, header_style="dim")
    for each in findings:
        table.add_row(_WORDS[each.level], each.name, each.found)
        # Below the row: sentences in narrow columns are hard to read.
        if each.costs:
            table.add_row("", "", Text(f"costs: {each.costs}", style="yellow"))
        if each.mend:
            table.add_row("", "", Text(f"mend:  {each.mend}", style="cyan"))
    console.print(table)
    console.print()
    for name, works in able.items():
        console.print(f"runtime {name}: {'works here' if works else 'does not work here'}")
