from __future__ import annotations

import shutil
from pathlib import Path

import lb
from lab.balancers.adapter import Missing, Program
from lab.balancers.reroute import Reroute

SOURCE = Path(lb.__path__[0])


def test_a_build_of_the_present_source_is_run_and_not_what_lies_in_the_current_folder(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "lb")
    built = Reroute("reroute-mypyc", tmp_path)

    found = built.find()

    assert isinstance(found, Program)
    assert "-P" in found.argv
    command = built.check(found, tmp_path)
    assert command.environment == {"PYTHONPATH": str(tmp_path)}


def test_a_build_of_other_source_is_not_there_and_says_how_to_make_it(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "lb")
    (tmp_path / "lb" / "loop.py").write_text("# something else\n")

    assert Reroute("reroute-mypyc", tmp_path).find() == Missing("make compiled")
    assert Reroute("reroute-mypyc", tmp_path / "nowhere").find() == Missing("make compiled")
