"""Writes and reads the compared configurations, rendered with example addresses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..balancers import adapter
from ..balancers.requirements import Address, Backend, Level, ProxySpec
from .document import label
from .runner import Entry

FOLDER: Final = "configs"
_HOST: Final = "127.0.0.1"


def write_configs(entries: Sequence[Entry], folder: Path) -> None:
    """Write what the adapters render as `configs/<balancer>-<settings>/<file>`. User files are not copied."""
    for entry in entries:
        if not entry.choice.adapter or entry.choice.files:
            continue
        target = folder / FOLDER / label(entry.choice.name, entry.settings).replace(" ", "-")
        target.mkdir(parents=True, exist_ok=True)
        for path in adapter(entry.choice.adapter).render(_example(entry.settings), target):
            path.write_text(path.read_text(encoding="utf-8").replace(f"{target}/", ""), encoding="utf-8")


def read_configs(folder: Path) -> list[tuple[str, str]]:
    """Return (`balancer-settings/file`, text) of each written file."""
    root = folder / FOLDER
    return [(str(each.relative_to(root)), each.read_text(encoding="utf-8")) for each in sorted(root.glob("*/*"))]


def _example(settings: str) -> ProxySpec:
    backends = tuple(Backend(f"api-{number}", Address(_HOST, 9000 + number)) for number in (1, 2, 3))
    return ProxySpec(Address(_HOST, 8080), Address(_HOST, 8081), backends, level=Level(settings))
