#!/usr/bin/env python3
"""Write what is derived from the fault kinds that chaos declares: `make fault-kinds`; `--check` only compares.

The four packages share no code. This document is the interface: chaos prints it (`python -m chaos.faults`), and the
lab's copy, the balancer's table of bounds and the table in docs/faults.md are made from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LAB, BOUNDS, DOCS = ROOT / "lab/scenario/fault_kinds.json", ROOT / "lb/core/fault_looks.py", ROOT / "docs/faults.md"
HEALTH = ROOT / "docs/health.md"
SCHEMA = ROOT / "docs/scenario.schema.json"
DRAW_BOUNDS = """
from lb.core.bounds import bounds
from lb.core.settings import Settings
print("| fault | reroute | with traffic | readmit | when |\\n" + "|---" * 5 + "|")
for each in bounds(Settings()):
    times = ("–" if s is None else f"{s:.2f} s" for s in (each.reroute_s, each.reroute_traffic_s, each.readmit_s))
    print("|", " | ".join((each.fault, *times, each.condition)), "|")
"""
HEADING = f"| fault | parameters | Docker | local | layer | what a balancer sees |\n{'| --- ' * 6}|\n"
COMMENT = '''"""How each fault kind looks to each kind of health check. Written by `make fault-kinds`; not to be edited.

Kind of fault → kind of check → (family of `bounds.py`, condition under which the family's bound applies). A kind of
check that is not named sees what an HTTP check sees.
"""

# ruff: noqa: E501 - text is not broken into lines

from __future__ import annotations

from typing import Final

LOOKS: Final[dict[str, dict[str, tuple[str, str]]]] = '''


def main() -> int:
    """Exit 1 where `--check` finds a file that is not as it would be written."""
    check = "--check" in sys.argv
    text = _run("-m", "chaos.faults")
    document = json.loads(text)
    stale = [_differs(path, content, check) for path, content in ((LAB, text), (BOUNDS, _bounds(document)))]
    # Last: the table of bounds and the language's schema are made with what was just written.
    stale += [_differs(DOCS, _docs(document), check), _differs(HEALTH, _health(_run("-c", DRAW_BOUNDS)), check)]
    stale.append(_differs(SCHEMA, _run("-m", "lab", "schema"), check))
    return int(check and any(stale))


def _differs(path: Path, wanted: str, check: bool) -> bool:
    differs = not path.exists() or path.read_text() != wanted
    if differs:
        name = path.relative_to(ROOT)
        if check:
            sys.stdout.write(f"{name} is not what chaos/faults declares: make fault-kinds\n")
        else:
            path.write_text(wanted)
            sys.stdout.write(f"written: {name}\n")
    return differs


def _run(*arguments: str, text: str = "") -> str:
    return subprocess.check_output([sys.executable, *arguments], cwd=ROOT, input=text, text=True)


def _bounds(document: dict[str, Any]) -> str:
    looks = {
        kind: {check: (look["family"], look["condition"]) for check, look in each["bound"].items()}
        for kind, each in document["kinds"].items()
    }
    return _run("-m", "ruff", "format", "--stdin-filename", str(BOUNDS), "-", text=f"{COMMENT}{looks!r}\n")


def _docs(document: dict[str, Any]) -> str:
    before, after = DOCS.read_text().split("## The list\n")
    rows = [_row(kind, each) for kind, each in document["kinds"].items()]
    return f"{before}## The list\n{HEADING}{''.join(rows)}\n" + after.split("\n\n", 1)[1]


def _health(table: str) -> str:
    before, after = HEALTH.read_text().split("| fault | reroute |")
    return before + table + after[after.index("\n\n") + 1 :]


def _row(kind: str, each: dict[str, Any]) -> str:
    properties, required = each["params"]["properties"], each["params"]["required"]
    order = sorted(properties, key=lambda name: name not in required)
    names = [f"`{name}`{' (percent)' if properties[name].get('quantity') == 'share' else ''}" for name in order]
    support = [each["support"][runtime] or "–" for runtime in ("docker", "local")]
    cells = (f"`{kind}`", ", ".join(names) or "–", *support, each["layer"], each["summary"])
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(main())
