"""Everything that has a runtime's name knows the same names."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from chaos.inputs.settings import RuntimeName as ChaosRuntimeName
from lab.errors import BadArgumentsError
from lab.runtime.selection import RuntimeName, runtime
from lab.testing.pytest_plugin import pytest_addoption
from tests.unit.lab.runtime.test_attached_lab_file import WHOLE


@pytest.mark.parametrize("name", RuntimeName)
def test_a_name_selects_the_runtime_of_that_name(
    name: RuntimeName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab.yaml").write_text(WHOLE)
    monkeypatch.chdir(tmp_path)
    assert runtime(name).name == name


def test_the_pytest_plugin_offers_every_runtime() -> None:
    """It repeats the names, because it imports the lab only when a test uses it."""
    parser = pytest.Parser(_ispytest=True)
    pytest_addoption(parser)
    (option,) = [each for each in parser.getgroup("lab").options if "--lab-runtime" in each.names()]
    assert set(option.attrs()["choices"]) == set(RuntimeName)


def test_the_chaos_service_has_the_same_runtimes() -> None:
    """An attached project is a compose project, which the chaos service treats as any other."""
    assert {*get_args(ChaosRuntimeName), RuntimeName.ATTACHED} == set(RuntimeName)


def test_the_attached_runtime_needs_a_lab_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadArgumentsError, match=r"there is no lab\.yaml here"):
        runtime(RuntimeName.ATTACHED)
