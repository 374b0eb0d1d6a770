"""A package that follows docs/extending.md word by word, installed beside the wheel, at work in one scenario."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.installed_wheel import ROOT, Installed, install

pytestmark = pytest.mark.timeout(400)
RECIPES = re.findall(r"^`([\w./]+)`:\n```\w+\n(.*?)^```", (ROOT / "docs/extending.md").read_text(), re.M | re.S)


def write_package(folder: Path, **changes: str) -> Path:
    """The package of the document; `changes` are texts to replace in its pyproject.toml."""
    for name, text in RECIPES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "reroute_acme" / "__init__.py").touch()
    project = folder / "pyproject.toml"
    for old, new in changes.items():
        project.write_text(project.read_text().replace(old, new))
    return folder


def add(installed: Installed, package: Path) -> None:
    installed.pip("install", "--force-reinstall", "--no-deps", "--no-build-isolation", str(package))
    shutil.rmtree(package / "build", ignore_errors=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def project(installed: Installed, tmp_path: Path) -> Path:
    """A folder with the scenario, and the package of the document installed."""
    add(installed, write_package(tmp_path / "reroute-acme"))
    shutil.copy(tmp_path / "reroute-acme" / "brownout.yaml", tmp_path)
    return tmp_path


def test_the_document_has_all_recipes() -> None:
    names = {name for name, _ in RECIPES}
    assert {"pyproject.toml", "brownout.yaml"} < names
    assert len([name for name in names if name.endswith(".py")]) == 4


def test_a_scenario_runs_with_fault_policy_and_checker(installed: Installed, project: Path) -> None:
    code, told = installed.run(project, "lab", "validate", "brownout.yaml")
    assert code == 0, told
    code, told = installed.run(project, "lab", "run", "brownout.yaml", "--runtime", "local", "--json")
    assert code == 0, told
    run = json.loads(told[told.index("{") :])["runs"][0]
    folder = next((project / "results").glob("*brownout*"))
    checks = {each["name"]: each for each in json.loads((folder / "verdict.json").read_text())["checks"]}
    assert checks["backends_used"]["verdict"] == "pass", run
    assert "3 backends answered" in checks["backends_used"]["detail"]
    assert "brownout on api-1: traffic left after" in checks["reroute_within_bound"]["detail"]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    [config] = [each["config"] for each in events if each.get("type") == "config"]
    assert config["policy"] == "coin"


def test_a_comparison_runs_with_the_adapter(installed: Installed, project: Path) -> None:
    arguments = ("compare", "--balancers", "eager", "--scenarios", "kill", "--json")
    code, told = installed.run(project, "lab", *arguments)
    assert code == 0, told
    assert "defaults, except for path and interval of the health check" in told


def test_one_that_cannot_be_loaded_is_named_and_left_out(installed: Installed, tmp_path: Path) -> None:
    package = write_package(tmp_path / "reroute-acme")
    for path in (package / "reroute_acme").glob("*.py"):
        path.write_text("import nothing_of_that_name\n")
    (package / "reroute_acme" / "__init__.py").write_text("")
    add(installed, package)
    shutil.copy(package / "brownout.yaml", tmp_path)
    code, told = installed.run(tmp_path, "lab", "validate", "brownout.yaml")
    assert code == 254
    assert "fault 'brownout' of package reroute-acme (reroute_acme.brownout:FAULT) is left out: ModuleNotFound" in told
    assert "steps[0].fault: expected one of cold_start, kill" in told
    code, told = installed.run(tmp_path, "lab", "run", "kill", "--runtime", "local")
    assert code == 0, told
    assert "checker 'backends_used' of package reroute-acme (reroute_acme.backends_used:check) is left out" in told


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("brownout =", "delay =", "fault 'delay' of package reroute-acme (reroute_acme.brownout:FAULT) has the same"),
        ("coin =", "p2c =", "policy 'p2c' of package reroute-acme (reroute_acme.coin:Coin) has the same name"),
        (
            "backends_used =",
            "latency =",
            "checker 'latency' of package reroute-acme (reroute_acme.backends_used:check)",
        ),
    ],
)
def test_a_name_that_is_taken_is_refused_at_start(
    installed: Installed, tmp_path: Path, old: str, new: str, said: str
) -> None:
    add(installed, write_package(tmp_path / "reroute-acme", **{old: new}))
    code, told = installed.run(tmp_path, "lab", "run", "kill", "--runtime", "local")
    assert code == 255, told
    assert said in told
    assert "built in" in told
