"""The installed wheel in a folder of somebody else, which has packages of the same names as ours."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import spare_ports
from tests.support.installed_wheel import Installed, foreign_project, install
from tests.support.lab_docker import need_docker
from tests.support.lab_example import EXAMPLE, base_image

pytestmark = pytest.mark.timeout(400)
WITHOUT_POWER = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()
"""Starts a program whose root user is bound to the permissions of files as every user is."""
LIGHT = """\
version: 1
title: So little traffic that even a busy host answers it in time
load: {rate: 40/s, mix: [{request: GET /whoami, share: 100%}], patience: 20s, slow: 10s}
warm_up: 200ms
steady_state: 1s
steps: [{at: 0s, fault: pause, target: any, duration: 1s}]
expect: {idempotent_failures: 0}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Installed:
    return install(tmp_path_factory.mktemp("wheel"), with_pip=request.config.getoption("--soak"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return foreign_project(tmp_path / "project")


def test_the_wheel_holds_one_top_level_package(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"reroute_lab"}
    assert installed.wheel.name.startswith("reroute_lab-")


def test_lab_says_its_version_and_what_the_machine_offers(installed: Installed, project: Path) -> None:
    code, told = installed.run(project, "lab", "--version")
    assert (code, told) == (0, f"lab {installed.wheel.name.split('-')[1]}\n")
    code, told = installed.run(project, "lab", "doctor")
    assert "runtime local: works here" in told, told


def test_a_scenario_runs_on_processes(installed: Installed, project: Path) -> None:
    code, told = installed.run(project, "lab", "run", "kill", "--runtime", "local", "--json")
    assert code == 0, told
    assert '"verdict": "pass"' in json.dumps(json.loads(told[told.index("{") :])), told


def test_pytest_finds_the_plugin(installed: Installed, project: Path) -> None:
    for path in EXAMPLE.glob("*.py"):
        (project / path.name).write_text(path.read_text())
    for path in EXAMPLE.glob("short_*.yaml"):
        (project / path.name).write_text(path.read_text())
    code, told = installed.run(project, "python", "-P", "-m", "pytest", "-W", "error", "-q", "-k", "freezes", ".")
    assert code == 0, told
    assert "1 passed" in told


def test_few_descriptors_strict_warnings_and_an_odd_path_change_nothing(installed: Installed, tmp_path: Path) -> None:
    folder = tmp_path / "Größe und Platz"
    folder.mkdir()
    scenario = folder / "größer.yaml"
    scenario.write_text(LIGHT, encoding="utf-8")
    few = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    strict = {"PYTHONWARNINGS": "error", "LAB_PASS_ENV": "PYTHONWARNINGS"}
    code, told = installed.run(folder, "lab", "run", str(scenario), before=few, **strict)
    assert code == 0, told


def test_nothing_needs_to_be_written_beside_the_package_or_in_the_working_directory(
    installed: Installed, tmp_path: Path
) -> None:
    """All folders but one are read-only, as for a user who did not install the package."""
    ours, results = tmp_path / "ours", tmp_path / "ours" / "results"
    scenario = str(tmp_path / "light.yaml")
    Path(scenario).write_text(LIGHT, encoding="utf-8")
    ours.mkdir()

    def lab(*arguments: str) -> tuple[int, str]:
        code, told = installed.run(
            tmp_path, "lab", *arguments, before=WITHOUT_POWER, HOME="/nonexistent", XDG_STATE_HOME=str(ours / "state")
        )
        assert "internal error" not in told
        return code, told

    with read_only(tmp_path, *installed.python.parents[1].rglob("*")):
        code, told = lab("run", scenario)
        assert (code, "--results" in told) == (255, True), told
        code, told = lab("run", scenario, "--results", str(results))
        assert code == 0, told
        assert (ours / "state" / "reroute").is_dir()
        with read_only(run := (results / "latest").resolve(), *run.iterdir()):
            code, told = lab("check", str(run))
        assert code == 0, told
        assert "the verdict is not saved" in told


@contextlib.contextmanager
def read_only(*paths: Path) -> Iterator[None]:
    before = {path: path.stat().st_mode for path in paths if not path.is_symlink()}
    for path, mode in before.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in before.items():
            path.chmod(mode)


@pytest.mark.docker
@pytest.mark.long  # the images are those of every other Docker test; only the folder that they are built from differs
def test_images_are_built_from_the_wheel(installed: Installed, project: Path) -> None:
    need_docker()
    name = f"reroute-wheel-{secrets.token_hex(3)}"
    arguments = ("run", "kill", "--runtime", "docker", "--project", name, "--json")
    code, told = installed.run(project, "lab", *arguments, within_s=300, **base_image(), **spare_ports())
    assert code == 0, told
