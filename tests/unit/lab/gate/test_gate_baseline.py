"""The file of a baseline: what is written is read again, and what is damaged is refused with its line or field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.errors import BadArgumentsError
from lab.gate.baseline import Baseline, Options, StoredEntry, StoredRuns, StoredScenario, read_baseline

RUNS = StoredRuns(
    requests=(1600, 1601),
    failed=(0, 1),
    slow=(60, 61),
    reroute_s=(1.02, 1.5),
    readmit_s=(0.3, None),
    p99_fault_s=(0.9, 0.95),
)


def baseline(**changed: Any) -> Baseline:
    known: dict[str, Any] = {
        "made": "2026-11-20T12:00:00+00:00",
        "lab": "0.2.0",
        "machine": "2 CPUs of x86_64, Linux 6.1, Python 3.11.7",
        "runtime": "local",
        "seed": 7,
        "repeat": 6,
        "options": Options(frontend="web", replace=("10.0.0.1:80=BACKEND_1",)),
        "scenarios": {"pause": StoredScenario(file="pause", plan="ab" * 32)},
        "entries": {"prod.cfg": StoredEntry(program="haproxy", files=("etc/prod [1,  2].cfg",), content="cd" * 32)},
        "runs": {"prod.cfg": {"pause": RUNS}},
    }
    return Baseline(**(known | changed))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "lab-baseline.json"
    baseline().write(path)
    assert read_baseline(path) == baseline()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_file_is_sorted_and_small_and_has_a_line_for_each_measure() -> None:
    text = baseline().text()
    assert '"readmit_s": [ 0.3, null ],' in text
    assert "prod [1,  2].cfg" in text
    assert text.index('"entries"') < text.index('"lab"') < text.index('"schema"')


def test_paths_are_those_of_the_baselines_folder() -> None:
    [named] = baseline().named_entries(Path("/srv/conf"))
    assert named.files == ("/srv/conf/etc/prod [1,  2].cfg",)
    assert (named.name, named.program) == ("prod.cfg", "haproxy")


def test_a_baseline_that_is_not_there_comes_with_the_command_to_type(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match="there is no baseline") as told:
        read_baseline(tmp_path / "gate.json")
    assert told.value.next_step.startswith(f"lab gate FILE --baseline {tmp_path / 'gate.json'} --update")


def changed(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split("/")
    for each in parents:
        document = document[each]
    if value is None:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("schema", 2, "schema: has version 2, and this lab reads 1"),
        ("schema", None, "schema: has version None"),
        ("seed", -1, "seed: "),
        ("seed", "7", "seed: "),
        ("seed", None, "seed: Field required"),
        ("repeat", 51, "repeat: "),
        ("made", "yesterday", "made: "),
        ("runtime", "moon", "runtime: "),
        ("extra", 1, "extra: "),
        ("scenarios", {}, "scenarios: "),
        ("scenarios/pause/plan", "xyz", "scenarios.pause.plan: "),
        ("entries/prod.cfg/files", "prod.cfg", "entries.prod.cfg.files: "),
        ("entries", {"../x": {}}, "entries.../x"),
        ("runs/prod.cfg/pause", None, "runs of prod.cfg in pause are missing"),
        ("runs/prod.cfg/pause/failed", [0], "runs.prod.cfg.pause: Value error, expected as many numbers"),
        ("runs/prod.cfg/pause/failed", [0, -1], "runs.prod.cfg.pause.failed.1: "),
        ("runs/prod.cfg/pause/failed", [0, None], "runs.prod.cfg.pause.failed.1: "),
        ("runs/prod.cfg/pause/slow", [], "runs.prod.cfg.pause.slow: "),
        ("runs/prod.cfg/pause/reroute_s", [0, "x"], "runs.prod.cfg.pause.reroute_s.1: "),
    ],
)
def test_a_damaged_field_is_named(tmp_path: Path, path: str, value: Any, told: str) -> None:
    document = json.loads(baseline().text())
    changed(document, path, value)
    file = tmp_path / "gate.json"
    file.write_text(json.dumps(document))
    with pytest.raises(BadArgumentsError) as refused:
        read_baseline(file)
    assert f"{file}: {told}" in str(refused.value)
    assert "--update" in refused.value.next_step


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[: len(text) // 2], ":"),
        (lambda text: text.replace('"seed": 7', '"seed": seven'), ":48: is not JSON"),
        (lambda _: "[]", ": is not the baseline of a gate: expected an object"),
        (lambda _: "[" * 100_000, ": "),
        (lambda _: '{"schema": 1, "seed": NaN}', ": "),
        (lambda _: " " * 2_000_000, ": is not the baseline"),
        (lambda _: "\ud800", ": cannot be read as a baseline"),
    ],
)
def test_a_damaged_text_is_refused(tmp_path: Path, damage: Callable[[str], str], told: str) -> None:
    file = tmp_path / "gate.json"
    file.write_text(damage(baseline().text()), encoding="utf-8", errors="surrogatepass")
    with pytest.raises(BadArgumentsError) as refused:
        read_baseline(file)
    assert str(refused.value).startswith(f"{file}{told}")


def test_a_folder_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match="cannot be read as a baseline"):
        read_baseline(tmp_path)
