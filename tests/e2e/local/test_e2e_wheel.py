"""The installed wheel in a folder of somebody else, which has packages of the same names as ours."""

from __future__ import annotations

import json
import secrets
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import spare_ports
from tests.support.installed_wheel import Installed, foreign_project, install
from tests.support.lab_docker import need_docker
from tests.support.lab_example import EXAMPLE, base_image

pytestmark = pytest.mark.timeout(400)


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
    code, told = installed.run(project, "python", "-P", "-m", "pytest", "-q", "-k", "freezes", ".")
    assert code == 0, told
    assert "1 passed" in told


@pytest.mark.docker
@pytest.mark.long  # the images are those of every other Docker test; only the folder that they are built from differs
def test_images_are_built_from_the_wheel(installed: Installed, project: Path) -> None:
    need_docker()
    name = f"reroute-wheel-{secrets.token_hex(3)}"
    arguments = ("run", "kill", "--runtime", "docker", "--project", name, "--json")
    code, told = installed.run(project, "lab", *arguments, within_s=300, **base_image(), **spare_ports())
    assert code == 0, told
