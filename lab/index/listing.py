"""Reads what is in a results folder: only the small result file of each run, never a history."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ..compare import document
from ..errors import BadArgumentsError
from ..evidence.run_folder import is_run_folder
from ..evidence.verdict import RunVerdict, Verdict, worst
from ..output.json_text import loads
from ..scenario.plan import Plan

MOST: Final = 500
"""Folders that are read. Older ones stay where they are, and are only counted."""
DAMAGED: Final = "damaged"
_MAX_BYTES: Final = 8 * 1024 * 1024
"""Largest result file that is read: a comparison of 100 repeats has 3 MB."""
_NAMED_BY_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-")


@dataclass(frozen=True, slots=True)
class Point:
    """The numbers of one entry in one scenario: of one run, or medians of the repeats of a comparison."""

    scenario: str
    entry: str
    failed: float | None
    """Requests that got a bad response or none."""
    reroute_s: float | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder."""

    folder: str
    made: str
    """ISO 8601 in UTC, for display and order only."""
    kind: str
    """`run`, `comparison`, `gate`, `sweep`, `adviser check`, `benchmark` or `DAMAGED`."""
    page: str = ""
    """Name of its HTML file; empty if there is none."""
    verdict: str = ""
    runtime: str = ""
    told: str = ""
    """Its key numbers, or what is damaged, as text."""
    scenarios: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()

    @property
    def method(self) -> str:
        """What its points have been measured by. A run counts attempts on a backend, a comparison what clients saw."""
        return "run" if self.kind == "run" else "comparison"


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest folders, newest first."""

    listed: tuple[Listed, ...]
    older: int = 0
    """Number of older folders that were not read."""


def read_listing(results: Path, most: int = MOST) -> Listing:
    """Return what is in the folder; nothing if there is no such folder. A damaged folder is listed as such."""
    try:
        folders = [each for each in results.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError:
        folders = []
    dated = sorted(((_made(each), each) for each in folders if _is_ours(each)), reverse=True)
    return Listing(tuple(_listed(folder, made) for made, folder in dated[:most]), max(0, len(dated) - most))


def _is_ours(folder: Path) -> bool:
    return bool(_NAMED_BY_TIME.match(folder.name)) or (folder / "bench.json").is_file() or is_run_folder(folder)


def _made(folder: Path) -> str:
    if named := _NAMED_BY_TIME.match(folder.name):
        year, month, day, hour, minute, second = named.groups()
        return f"{year}-{month}-{day}T{hour}:{minute}:{second}+00:00"
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        return ""


def _listed(folder: Path, made: str) -> Listed:
    for name, reader in _READERS.items():
        if (folder / name).is_file():
            try:
                return reader(folder, made)
            except OSError as error:
                why = error.strerror or str(error)
            except BadArgumentsError as error:
                why = str(error).partition(": ")[2] or str(error)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                why = str(error) or type(error).__name__
            return Listed(folder.name, made, DAMAGED, told=f"{name} cannot be read: {why}")
    if is_run_folder(folder):
        page = _page(folder, "report.html")
        return Listed(folder.name, made, "run", page, Verdict.UNKNOWN, told="not completed", scenarios=_planned(folder))
    return Listed(folder.name, made, DAMAGED, told="none of the files of a run")


def _planned(folder: Path) -> tuple[str, ...]:
    try:
        return (str(Plan.from_json(_text(folder / "plan.json")).scenario),)
    except (OSError, ValueError, AttributeError):
        return ()


def _run(folder: Path, made: str) -> Listed:
    found = RunVerdict.from_json(_text(folder / "verdict.json"))
    bad = int(found.requests.failed) + int(found.requests.unknown)
    reroute_s = max((float(each.reroute_s) for each in found.faults if each.reroute_s is not None), default=None)
    told = f"{bad:,} failed, {found.requests.slow:,} slow of {found.requests.total:,}"
    return Listed(
        folder.name,
        made,
        "run",
        _page(folder, "report.html"),
        found.verdict,
        str(found.runtime),
        told if reroute_s is None else f"{told}; reroute {reroute_s:.2f} s",
        (str(found.scenario),),
        (str(found.balancer),),
        (Point(str(found.scenario), str(found.balancer), bad, reroute_s),),
    )


def _comparison(folder: Path, made: str, kind: str = "comparison", verdict: str = "", told: str = "") -> Listed:
    _text(folder / document.FILE)  # refuses a file that is too large
    comparison = document.read(folder)
    rows = [row for row in comparison.rows() if row.runs]
    points = tuple(
        Point(
            row.scenario,
            document.label(row.balancer, row.settings),
            row.spreads["failed"].median,
            row.spreads["reroute_s"].median,
        )
        for row in rows
    )
    entries = tuple(dict.fromkeys(document.label(each.balancer, each.settings) for each in comparison.results))
    scenarios = tuple(dict.fromkeys(each.scenario for each in comparison.results))
    runs = sum(row.runs for row in rows)
    return Listed(
        folder.name,
        made,
        kind,
        _page(folder, "gate.html", "compare.html"),
        verdict,
        str(comparison.runtime),
        told
        or f"{runs} runs of {_number(entries, 'entry', 'entries')} in {_number(scenarios, 'scenario', 'scenarios')}",
        scenarios,
        entries,
        points,
    )


def _gate(folder: Path, made: str) -> Listed:
    raw = loads(_text(folder / "gate.json"))
    return _comparison(folder, made, "gate", Verdict(raw["verdict"]), str(raw["paragraph"]))


def _adviser(folder: Path, made: str) -> Listed:
    verdicts = [str(row["verdict"]) for row in loads(_text(folder / "advise.json"))["rows"]]
    told = f"{len(verdicts)} predictions, {verdicts.count('exceeded')} exceeded"
    verdict = Verdict.FAIL if "exceeded" in verdicts else Verdict.PASS
    return _comparison(folder, made, "adviser check", verdict, told)


def _sweep(folder: Path, made: str) -> Listed:
    raw = loads(_text(folder / "sweep.json"))
    verdict = worst(Verdict(each["verdict"]) for each in raw["points"])
    told, scenario = f"{len(raw['points'])} phases of the health check", str(raw["scenario"])
    return Listed(
        folder.name, made, "sweep", _page(folder, "sweep.html"), verdict, str(raw["runtime"]), told, (scenario,)
    )


def _bench(folder: Path, made: str) -> Listed:
    return Listed(folder.name, made, "benchmark", _page(folder, "report.html"))


_READERS: Final[dict[str, Callable[[Path, str], Listed]]] = {
    "gate.json": _gate,
    "advise.json": _adviser,
    document.FILE: _comparison,
    "verdict.json": _run,
    "sweep.json": _sweep,
    "bench.json": _bench,
}
"""File → how it is read. The first one that a folder has says what the folder is."""


def _text(path: Path) -> str:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES:,} bytes")
    return path.read_text(encoding="utf-8")


def _page(folder: Path, *names: str) -> str:
    return next((name for name in names if (folder / name).is_file()), "")


def _number(things: tuple[Any, ...], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"
