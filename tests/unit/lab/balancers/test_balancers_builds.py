from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

import lb
from lab.balancers.adapter import Missing, Program
from lab.balancers.reroute import Reroute
from lab.release import DISTRIBUTION

SOURCE = Path(lb.__path__[0])


def made(folder: Path, suffix: str = str(sysconfig.get_config_var("EXT_SUFFIX"))) -> Path:
    """What `make compiled` leaves, but for what is in the one compiled module."""
    shutil.copytree(SOURCE, folder / "lb")
    (folder / "lb" / f"loop{suffix}").touch()
    return folder


def test_a_build_of_the_present_source_is_run_and_not_what_lies_in_the_current_folder(tmp_path: Path) -> None:
    built = Reroute("reroute-mypyc", made(tmp_path))

    found = built.find()

    assert isinstance(found, Program)
    assert "-P" in found.argv
    command = built.check(found, tmp_path)
    assert command.environment == {"PYTHONPATH": str(tmp_path)}


def test_a_build_of_other_source_is_not_there_and_says_how_to_make_it(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "lb" / "process" / "runtime.py").write_text("# something else\n")

    assert Reroute("reroute-mypyc", tmp_path).find() == Missing("make compiled")
    assert Reroute("reroute-mypyc", tmp_path / "nowhere").find() == Missing("make compiled")


def test_a_build_for_another_python_would_run_the_source_and_is_not_there(tmp_path: Path) -> None:
    assert Reroute("reroute-mypyc", made(tmp_path, ".cpython-399-x86_64-linux-gnu.so")).find() == Missing(
        "make compiled"
    )


def test_without_the_package_the_hint_names_our_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.balancers.reroute.ROOT", tmp_path)
    assert Reroute().find() == Missing(f"pip install {DISTRIBUTION}")
