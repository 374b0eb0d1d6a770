"""`lab gate` with a real HAProxy, and the GitHub action, whose steps are run as they stand in action.yml."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.e2e.conftest import Cli, spare_ports
from tests.support.gated import GOOD, SCENARIO, WORSE, write_project
from tests.support.installed_wheel import PYTEST, ROOT, copy_source, link_packages, locked

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
UPDATE = ("gate", "prod.cfg", "--update", "--scenarios", "short.yaml", "--repeat", "5", "--allow-busy")
"""`--allow-busy`: the differences of these tests are far larger than what a busy host causes."""
GITHUB = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""How GitHub runs a step with `shell: bash`."""


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose baseline has been made."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    made = Cli(folder, spare_ports()).run(*UPDATE, "--json", within_s=300)
    assert made.code == 0, made
    assert made.document["verdict"] == "pass"
    return folder


@pytest.fixture
def project(baseline: Path, cli: Cli) -> Cli:
    """A copy of the project."""
    for name in ("short.yaml", "prod.cfg", "lab-baseline.json"):
        shutil.copy(baseline / name, cli.folder)
    return cli


def test_what_has_not_changed_passes(project: Cli) -> None:
    summary = project.folder / "summary.md"
    project.environment["GITHUB_STEP_SUMMARY"] = str(summary)
    found = project.run("gate", "--json", within_s=300)
    assert found.code == 0, found
    document = found.document
    assert document["verdict"] == "pass"
    assert document["changes"][0] == "prod.cfg has not changed since then."
    assert "prod.cfg is not significantly worse than the baseline of 20" in document["paragraph"]
    assert {len(each["after"]) for each in document["comparisons"]} == {5}
    assert summary.read_text().startswith("### Gate: pass\n")
    index = (project.folder / "results" / "index.html").read_text()
    assert f"{Path(document['folder']).name}/gate.html" in index


def test_what_has_become_worse_fails_with_a_paragraph(project: Cli) -> None:
    (project.folder / "prod.cfg").write_text(WORSE)
    found = project.run("gate", within_s=300)
    assert found.code == 1, found
    assert re.search(
        r"prod\.cfg is worse than the baseline of 20\d\d-\d\d-\d\d: in short it loses \d+ more requests", found.out
    )
    assert "prod.cfg has changed since then." in found.out
    [folder] = (project.folder / "results").glob("*-gate")
    assert {"gate.html", "gate.md", "gate.json", "compare.html", "compare.json"} <= {
        each.name for each in folder.iterdir()
    }
    listed = project.run("results", "--json")
    assert [(each["kind"], each["verdict"]) for each in listed.document["runs"]] == [("gate", "fail")]


def test_another_plan_is_refused_before_anything_starts(project: Cli) -> None:
    (project.folder / "short.yaml").write_text(SCENARIO.replace("1500ms", "900ms"))
    found = project.run("gate")
    assert found.code == 254, found
    assert "short: the scenario has changed since" in found.err
    assert "next: store new numbers: lab gate --baseline lab-baseline.json --update" in found.err
    assert list((project.folder / "results").glob("*-gate")) == []


def test_a_file_that_the_program_rejects_fails_at_once(project: Cli) -> None:
    (project.folder / "prod.cfg").write_text(GOOD.replace("timeout client 10s", "timeout clients 10s"))
    found = project.run("gate")
    assert found.code == 254, found
    assert "haproxy rejects its configuration" in found.err
    assert "prod.cfg:5" in found.err


@dataclass
class Job:
    """A job of GitHub in a temporary folder: what its steps read and write."""

    folder: Path
    inputs: Mapping[str, str]

    def __post_init__(self) -> None:
        self.workspace, self.temp = self.folder / "workspace", self.folder / "temp"
        self.temp.mkdir()
        self.action = copy_source(self.folder / "action")
        self.outputs: dict[str, dict[str, str]] = {}

    def run(
        self, number: int, step: Mapping[str, Any], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a step with `run:` as GitHub does, and keep what it writes to GITHUB_OUTPUT."""
        script, output = self.folder / f"step-{number}.sh", self.folder / f"output-{number}"
        script.write_text(step["run"])
        output.touch()
        variables = {name: self.expand(value) for name, value in step.get("env", {}).items()}
        github = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        assert step["shell"] == "bash"
        ended = subprocess.run(
            [*GITHUB, str(script)],
            cwd=self.workspace,
            env={**clean, **environment, **github, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        lines = (line.partition("=") for line in output.read_text().splitlines())
        self.outputs[step.get("id", "")] = {name: value for name, _, value in lines}
        return ended

    def expand(self, text: str) -> str:
        """Fill in `${{ … }}`."""

        def value(match: re.Match[str]) -> str:
            match match[1].split("."):
                case ["github", "action_path"]:
                    return str(self.action)
                case ["inputs", name]:
                    return self.inputs[name]
                case ["steps", step, "outputs", name]:
                    return self.outputs[step][name]
            raise AssertionError(f"unknown expression {match[0]}")

        return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", value, str(text))


@pytest.fixture
def job(baseline: Path, tmp_path: Path) -> Callable[..., Iterator[tuple[str, int, str]]]:
    """Return a function that runs the action with inputs and yields name, exit code and output of each step."""

    def run(**inputs: str) -> Iterator[tuple[str, int, str]]:
        action = YAML(typ="safe").load((ROOT / "action.yml").read_text())
        defaults = {name: str(each["default"]) for name, each in action["inputs"].items()}
        assert inputs.keys() <= defaults.keys()
        made = Job(tmp_path, defaults | inputs)
        shutil.copytree(baseline, made.workspace, ignore=shutil.ignore_patterns("results", ".lab"))
        for number, step in enumerate(action["runs"]["steps"]):
            if "run" in step:
                ended = made.run(number, step, linked(tmp_path))
                yield step["name"], ended.returncode, ended.stdout
            else:
                assert step["uses"].split("@")[0] in {"actions/setup-python", "actions/upload-artifact"}
                yield step["uses"], 0, " ".join(made.expand(each) for each in step["with"].values())

    return run


def linked(folder: Path) -> dict[str, str]:
    """Return variables with which pip needs no network: a new environment has the packages of the tests' own one."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    python = shlex.quote(sys.executable)
    (programs / "python").write_text(
        f'#!/bin/sh\n{python} "$@" && PYTHONPATH={shlex.quote(str(ROOT))} exec {python} {shlex.quote(__file__)} "$@"\n'
    )
    (programs / "python").chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "false",
        **spare_ports(),
    }


def test_the_action_installs_the_lab_runs_the_gate_and_keeps_the_report(
    job: Callable[..., Iterator[tuple[str, int, str]]], tmp_path: Path
) -> None:
    steps = [*job(args="--repeat 5")]
    assert [code for _, code, _ in steps] == [0] * 4, steps
    assert "prod.cfg is not significantly worse" in steps[2][2]
    assert (tmp_path / "summary.md").read_text().startswith("### Gate: pass")
    kept = Path(steps[3][2].split()[1])
    assert (kept / "index.html").is_file()
    assert [each.name for each in kept.glob("*-gate/gate.html")] == ["gate.html"]


def test_inputs_are_never_run_as_a_part_of_the_script(
    job: Callable[..., Iterator[tuple[str, int, str]]], tmp_path: Path
) -> None:
    bad = '"; touch owned; echo "$(touch owned) `touch owned`'
    steps = [*job(baseline=bad, args=f"{bad} *")]
    assert [code for _, code, _ in steps] == [0, 0, 254, 0], steps
    assert list(tmp_path.glob("**/owned")) == []


def main(arguments: list[str]) -> None:
    """Link the packages of this environment into the one that `python -m venv FOLDER` has made."""
    if arguments[:2] == ["-m", "venv"]:
        [site] = Path(arguments[2]).glob("lib/python*/site-packages")
        for each in site.glob("setuptools*"):  # an old one, which Python 3.11 puts there
            shutil.rmtree(each)
        link_packages(site, [*(name for name, _ in locked("local")), *PYTEST])


if __name__ == "__main__":
    main(sys.argv[1:])
