"""The files with which `lab init` starts a project's own tests: a scenario, a pytest file and a CI job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...errors import BadArgumentsError
from ...output.atomic_write import write_atomically
from ...scenario.units import WITHIN_BOUND
from .bounds import bounds_of_configuration
from .lab_file import Found

SCENARIO: Final = "failover.yaml"
TEST: Final = "test_failover.py"
WORKFLOW: Final = ".github/workflows/failover.yml"
_FAULTS: Final = ("kill", "pause")
"""Faults of the scenario."""
_TEMPLATES: Final = Path(__file__).with_name("templates")


def starter_files(found: Found, rate: str) -> dict[str, str]:
    """Return path, relative to the lab file's folder → content. `rate` is the load with its unit."""
    content = found.content
    files = " ".join(f"-f {name}" for name in content.compose)
    bounds = bounds_of_configuration(found)
    values = {
        "rate": rate,
        "requests": [f"{{request: {each.request}, share: {each.share * 100:.9g}%}}" for each in content.requests],
        "reroute": "3s" if None in _known(bounds, "reroute_s") else WITHIN_BOUND,
        "readmit": "20s" if None in _known(bounds, "readmit_s") else WITHIN_BOUND,
        "compose_up": f"docker compose {files} up --build --detach --wait",
        "test": TEST,
    }
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return {name: templates.get_template(f"{Path(name).name}.j2").render(values) for name in (SCENARIO, TEST, WORKFLOW)}


def _known(bounds: Sequence[Mapping[str, Any]], name: str) -> list[float | None]:
    """Return the bounds of the scenario's faults; None for each that is not known."""
    by_fault = {each["fault"]: each[name] for each in bounds}
    return [by_fault.get(fault) for fault in _FAULTS]


def write_starter_files(folder: Path, files: Mapping[str, str], *, force: bool) -> list[Path]:
    """Write the files and return their paths. Raise `BadArgumentsError`, before any is written, if one exists."""
    if existing := [name for name in files if (folder / name).exists() and not force]:
        raise BadArgumentsError(f"{', '.join(existing)} exist already in {folder}", "--force replaces them")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, text)
    return [folder / name for name in files]
