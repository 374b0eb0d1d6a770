"""What the index reads: every kind of folder, damaged ones too, and never a history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.compare.document import OWN, Comparison, Result
from lab.compare.measures import Measures
from lab.index.listing import DAMAGED, Listed, read_listing
from tests.support import report_samples as samples


def comparison(folder: Path, *results: Result) -> Path:
    folder.mkdir(parents=True)
    Comparison(7, "mixed", "m", "t", results=[*results]).write(folder)
    (folder / "compare.html").write_text("")
    return folder


def result(entry: str, failed: int, reroute_s: float | None = 0.5, scenario: str = "pause") -> Result:
    return Result(entry, OWN, scenario, 0, "ok", measures=Measures(1600, failed, 0, 0, reroute_s=reroute_s))


def only(results: Path) -> Listed:
    [found] = read_listing(results).listed
    return found


def test_a_run_is_listed_with_its_key_numbers(tmp_path: Path) -> None:
    samples.passing(tmp_path / "20261120-120102-pause-ab12")
    found = only(tmp_path)
    assert (found.made, found.kind, found.verdict) == ("2026-11-20T12:01:02+00:00", "run", "pass")
    assert found.scenarios == ("pause",)
    assert "slow of" in found.told
    assert "; reroute 0." in found.told
    assert found.points[0].reroute_s is not None


def test_a_run_is_listed_without_its_history(tmp_path: Path) -> None:
    folder = samples.passing(tmp_path / "20261120-120102-pause-ab12")
    (folder / "history.jsonl").write_text("damaged")
    assert only(tmp_path).verdict == "pass"


def test_a_run_that_was_not_completed_has_no_numbers(tmp_path: Path) -> None:
    folder = samples.interrupted(tmp_path / "20261120-120102-pause-ab12")
    (folder / "verdict.json").unlink(missing_ok=True)
    found = only(tmp_path)
    assert (found.kind, found.verdict, found.told, found.points) == ("run", "unknown", "not completed", ())
    assert found.scenarios == ("pause",)


def test_a_comparison_has_the_medians_of_each_row(tmp_path: Path) -> None:
    rows = (result("old", 2, 0.2), result("old", 4, 0.4), result("new", 9, None), result("old", 0, 0.1, "kill"))
    comparison(tmp_path / "20261120-120102-compare", *rows)
    found = only(tmp_path)
    assert (found.kind, found.page, found.verdict) == ("comparison", "compare.html", "")
    assert found.told == "4 runs of 2 entries in 2 scenarios"
    numbers = {(each.scenario, each.entry): (each.failed, each.reroute_s) for each in found.points}
    assert numbers == {
        ("pause", "old"): (3, pytest.approx(0.3)),
        ("pause", "new"): (9, None),
        ("kill", "old"): (0, 0.1),
    }


def test_a_gate_has_its_verdict_and_paragraph(tmp_path: Path) -> None:
    folder = comparison(tmp_path / "20261120-120102-gate", result("a", 1))
    (folder / "gate.json").write_text(json.dumps({"verdict": "fail", "paragraph": "a is worse"}))
    (folder / "gate.html").write_text("")
    found = only(tmp_path)
    assert (found.kind, found.verdict, found.told, found.page) == ("gate", "fail", "a is worse", "gate.html")
    assert len(found.points) == 1


def test_an_adviser_check_a_sweep_and_a_benchmark_are_listed(tmp_path: Path) -> None:
    folder = comparison(tmp_path / "20261120-120103-advise", result("haproxy", 1))
    (folder / "advise.json").write_text(json.dumps({"rows": [{"verdict": "holds"}, {"verdict": "exceeded"}]}))
    sweep = tmp_path / "20261120-120102-pause-sweep-ab12"
    sweep.mkdir()
    points = [{"verdict": "pass"}, {"verdict": "unknown"}]
    (sweep / "sweep.json").write_text(json.dumps({"scenario": "pause", "runtime": "local", "points": points}))
    bench = tmp_path / "bench-proxy"
    bench.mkdir()
    (bench / "bench.json").write_text("{}")
    found = {each.kind: each for each in read_listing(tmp_path).listed}
    assert found.keys() == {"benchmark", "adviser check", "sweep"}
    assert (found["adviser check"].verdict, found["sweep"].verdict) == ("fail", "unknown")


def test_other_folders_links_and_files_are_not_listed(tmp_path: Path) -> None:
    run = samples.passing(tmp_path / "20261120-120102-pause-ab12")
    (tmp_path / "latest").symlink_to(run, target_is_directory=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "index.html").write_text("")
    assert only(tmp_path).folder == run.name
    assert read_listing(tmp_path / "gone").listed == ()


def test_the_newest_are_listed_first_and_the_older_ones_counted(tmp_path: Path) -> None:
    names = [f"2026112{day}-120102-pause-ab12" for day in range(5)]
    for name in names:
        samples.passing(tmp_path / name)
    listing = read_listing(tmp_path, 2)
    assert [each.folder for each in listing.listed] == [names[4], names[3]]
    assert listing.older == 3


def emptied(raw: dict[str, Any]) -> Any:
    return {}


def wrong_type(raw: dict[str, Any]) -> Any:
    return raw | {"requests": {"total": "many", "failed": [], "unknown": None, "slow": 0, "ok": 0}}


def no_object(raw: dict[str, Any]) -> Any:
    return [raw]


def wrong_fault(raw: dict[str, Any]) -> Any:
    return raw | {"faults": [raw["faults"][0] | {"reroute_s": "soon"}]}


@pytest.mark.parametrize("damage", [emptied, wrong_type, no_object, wrong_fault])
def test_a_damaged_verdict_is_listed_as_such(tmp_path: Path, damage: Callable[[dict[str, Any]], Any]) -> None:
    file = samples.passing(tmp_path / "20261120-120102-pause-ab12") / "verdict.json"
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    found = only(tmp_path)
    assert found.kind == DAMAGED
    assert found.told.startswith("verdict.json cannot be read: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("verdict.json", "{"),
        ("verdict.json", "[" * 50_000),
        ("verdict.json", "\x00"),
        ("verdict.json", " " * 9_000_000),
        ("compare.json", "{}"),
        ("compare.json", '{"schema": 1, "rows": [], "results": [{"measures": 1}]}'),
        ("gate.json", '{"verdict": "fail"}'),
        ("gate.json", '{"verdict": "great", "paragraph": ""}'),
        ("gate.json", "null"),
        ("advise.json", '{"rows": 5}'),
        ("sweep.json", "[]"),
    ],
)
def test_damaged_files_are_listed_as_such(tmp_path: Path, name: str, text: str) -> None:
    folder = tmp_path / "20261120-120102-pause-ab12"
    folder.mkdir()
    (folder / name).write_text(text)
    assert only(tmp_path).kind == DAMAGED


def test_an_empty_folder_of_a_run_is_listed_as_damaged(tmp_path: Path) -> None:
    (tmp_path / "20261120-120102-pause-ab12").mkdir()
    assert only(tmp_path).told == "none of the files of a run"
