"""pytest plugin: the fixtures `lab`, `faults` and `traffic` for tests in any repository (docs/pytest.md).

Every pytest run of the environment loads it, so the lab is imported only when a test uses one of the fixtures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..runtime import Runtime
    from .faults import Faults
    from .lab import Lab
    from .traffic import Traffic


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options `--lab-*`."""
    group = parser.getgroup("lab", "Reroute: load balancers under failure")
    group.addoption(
        "--lab-runtime",
        choices=("local", "docker", "attached"),
        help="plain processes, containers (compose), or your project; default: attached if there is a lab.yaml here",
    )
    group.addoption("--lab-file", metavar="FILE", help="lab.yaml of your compose project (attached)")
    group.addoption(
        "--lab-balancer", metavar="COMMAND", help="start this balancer (local), with --config FILE appended"
    )
    group.addoption("--lab-compose", metavar="FILE", help="your compose file (docker); default: the lab's own")
    group.addoption("--lab-project", metavar="NAME", default="reroute", help="compose project (docker)")
    group.addoption(
        "--lab-results", metavar="FOLDER", default="results", help="gets one folder with a report for each run"
    )


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Iterator[Lab]:
    """The running lab, or one that is started for this session."""
    from ..errors import LabError
    from .lab import Lab

    try:
        chosen = _runtime(pytestconfig)
        with chosen.borrow(lambda text: None) as endpoints:
            yield Lab(endpoints, Path(pytestconfig.getoption("--lab-results")), chosen.adapt)
    except LabError as error:
        details = "".join(f"\n    {line}" for line in error.details)
        pytest.fail(f"{error}{details}\n  next: {error.next_step}", pytrace=False)


@pytest.fixture
def faults(lab: Lab) -> Iterator[Faults]:
    """Faults of the lab; those that a test injected are healed when it ends."""
    from .faults import Faults

    made = Faults(lab.endpoints)
    try:
        yield made
    finally:
        made.heal_all()


@pytest.fixture
def traffic(lab: Lab) -> Traffic:
    """Open-loop traffic for the duration of a `with` block."""
    from .traffic import Traffic

    return Traffic(lab.endpoints, lab.results)


def _runtime(config: pytest.Config) -> Runtime:
    """Return the runtime that the options ask for.

    Raise pytest.UsageError for options that exclude each other, LabError for a command that cannot be used.
    """
    from ..runtime.attached import LAB_FILE
    from ..runtime.docker_lab import DockerRuntime
    from ..runtime.selection import RuntimeName, runtime, searched

    if lab_file := config.getoption("--lab-file"):
        os.environ[LAB_FILE] = lab_file
    given, compose = config.getoption("--lab-runtime"), config.getoption("--lab-compose")
    name = searched(RuntimeName(given) if given else None)[0]
    if compose is None:
        return runtime(name, config.getoption("--lab-project"), config.getoption("--lab-balancer"))
    if name is not RuntimeName.DOCKER:
        raise pytest.UsageError("--lab-compose is for --lab-runtime docker")
    if config.getoption("--lab-balancer"):
        raise pytest.UsageError("--lab-balancer is for --lab-runtime local: a compose file names its balancer itself")
    if not Path(compose).is_file():
        raise pytest.UsageError(f"--lab-compose {compose}: there is no such file")
    return DockerRuntime(config.getoption("--lab-project"), compose_file=Path(compose).resolve())
