"""`--entry NAME=WHAT`: what it can name, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.compare.document import Comparison, Result
from lab.compare.entries import named, note_baseline, note_sources
from lab.errors import BadArgumentsError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("old.cfg", "new.cfg", "nginx.conf"):
        (tmp_path / name).write_text(f"server 10.0.0.1:80  # {name}\n")
    return tmp_path


def test_each_form_is_an_entry_of_that_name(files: Path) -> None:
    words = [
        "old=haproxy:old.cfg",
        "guessed=nginx.conf",
        f"other build=haproxy@{sys.executable}:new.cfg",
        "ours=haproxy",
        "mine=cmd:./balancer @LISTEN@",
    ]
    found = [each.choice for each in named(words, [], [], "local")]
    assert [each.name for each in found] == ["old", "guessed", "other build", "ours", "mine"]
    assert [each.adapter for each in found] == ["haproxy", "nginx", "haproxy", "haproxy", ""]
    assert found[2].binary == sys.executable
    assert found[3].files == ()
    assert found[4].command == "./balancer @LISTEN@"


def test_a_replacement_needs_to_occur_in_one_of_the_files_only(files: Path) -> None:
    (files / "new.cfg").write_text("server 10.0.0.9:80\n")
    words = ["old=haproxy:old.cfg", "new=haproxy:new.cfg"]
    assert len(named(words, ["10.0.0.9:80=BACKEND_1", "10.0.0.1:80=BACKEND_2"], [], "local")) == 2
    with pytest.raises(BadArgumentsError, match="does not occur in any file of --entry"):
        named(words, ["10.0.0.7:80=BACKEND_1"], [], "local")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["old.cfg"], "expected NAME=WHAT"),
        (["old="], "expected NAME=WHAT"),
        (["../x=haproxy:old.cfg"], "expected NAME=WHAT"),
        (["a=haproxy:old.cfg", "a=haproxy:new.cfg"], "is given twice"),
        (["a=haproxy:gone.cfg"], "there is no file"),
        (["a=haproxy@/no/such/program:old.cfg"], "is not a program"),
        (["a=haproxy@"], "is not a program"),
        (["a=something"], "cannot tell which balancer"),
        (["a=url:http://192.0.2.1:80"], "loopback"),
        (["a=cmd: "], "is empty"),
        (["a=url:"], "is empty"),
    ],
)
def test_what_is_refused(files: Path, words: list[str], told: str) -> None:
    with pytest.raises(BadArgumentsError, match=told):
        named(words, [], [1, 2, 3], "local")


def test_an_image_is_no_path(files: Path) -> None:
    tagged, rendered = named(["a=haproxy@registry/haproxy:3.2:old.cfg", "b=haproxy@haproxy:3.2"], [], [], "docker")
    assert (tagged.choice.binary, [Path(each).name for each in tagged.choice.files]) == (
        "registry/haproxy:3.2",
        ["old.cfg"],
    )
    assert (rendered.choice.binary, rendered.choice.files) == ("haproxy:3.2", ())


def empty() -> Comparison:
    return Comparison(1, "mixed", "m", "t")


def test_one_name_never_stands_for_two_things(files: Path) -> None:
    comparison = empty()
    note_sources(named(["a=haproxy:old.cfg"], [], [], "local"), comparison)
    note_sources(named(["a=haproxy:old.cfg"], [], [], "local"), comparison)
    for other in ("a=haproxy:new.cfg", f"a=haproxy@{sys.executable}:old.cfg", "a=haproxy", "a=cmd:x"):
        with pytest.raises(BadArgumentsError, match="in the comparison already, with other content"):
            note_sources(named([other], [], [], "local"), comparison)


def test_differences_are_told_from_the_first_entry_or_the_named_one(files: Path) -> None:
    entries = named(["old=haproxy:old.cfg", "new=haproxy:new.cfg"], [], [], "local")
    comparison = empty()
    note_baseline("", entries, comparison)
    assert comparison.baseline == "old"
    note_baseline("new", entries, comparison)
    assert comparison.baseline == "new"
    note_baseline("", entries[:1], comparison)
    assert comparison.baseline == "new", "a comparison that is continued keeps it"
    comparison.results.append(Result("nginx", "matched", "kill", 0, "ok"))
    note_baseline("nginx matched", entries, comparison)
    assert comparison.baseline == "nginx matched"
    with pytest.raises(BadArgumentsError, match="there is no such entry"):
        note_baseline("newest", entries, comparison)
