"""Somebody's own configuration: addresses filled in, and nothing of production left in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.balancers.adapter import Program
from lab.balancers.choice import Choice, Wanted, prepare
from lab.balancers.own_files import adopt, command_for, fill, rewrite
from lab.errors import BadArgumentsError

WANTED = Wanted("127.0.0.1:8080", "127.0.0.1:8081", {"api-1": "127.0.0.1:9001", "api-2": "127.0.0.1:9002"})


def values(folder: Path) -> dict[str, str]:
    return WANTED.placeholders(folder)


def test_placeholders_give_whole_addresses_and_their_parts(tmp_path: Path) -> None:
    text = "@LISTEN@ @LISTEN_PORT@ @BACKEND_2@ @BACKEND_2_HOST@ @BACKENDS@ @DIR@"
    filled = fill(text, values(tmp_path), "f")
    assert filled == f"127.0.0.1:8080 8080 127.0.0.1:9002 127.0.0.1 127.0.0.1:9001,127.0.0.1:9002 {tmp_path}"


def test_an_unknown_placeholder_names_file_line_and_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=r"prod.cfg:2: @BACKEND_9@ is no placeholder") as error:
        fill("a\n@BACKEND_9@", values(tmp_path), "prod.cfg")
    assert "@BACKEND_2@" in error.value.next_step


def test_only_the_whole_address_is_replaced(tmp_path: Path) -> None:
    text = "server a 10.0.0.5:80\nserver b 10.0.0.5:8080\nserver c 110.0.0.5:80"
    filled = rewrite(text, [("10.0.0.5:80", "BACKEND_1")], values(tmp_path), "f")
    assert filled == "server a 127.0.0.1:9001\nserver b 10.0.0.5:8080\nserver c 110.0.0.5:80"


def test_an_address_that_the_file_does_not_hold_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=r"'10\.0\.0\.6:80' does not occur"):
        rewrite("server a 10.0.0.5:80", [("10.0.0.6:80", "BACKEND_1")], values(tmp_path), "f")


def test_several_files_are_copied_and_each_gets_its_addresses(tmp_path: Path) -> None:
    main, other = tmp_path / "main.yaml", tmp_path / "dynamic.yaml"
    main.write_text("file: @DIR@/dynamic.yaml\nlisten: :80\n")
    other.write_text("url: http://10.0.0.5:80\n")
    folder = tmp_path / "copy"
    folder.mkdir()
    pairs = [(":80", "LISTEN"), ("http://10.0.0.5:80", "BACKEND_1")]
    adopted = adopt([str(main), str(other)], pairs, values(folder), folder)
    assert adopted.read_text() == f"file: {folder}/dynamic.yaml\nlisten: 127.0.0.1:8080\n"
    assert (folder / "dynamic.yaml").read_text() == "url: 127.0.0.1:9001\n"


def test_a_file_without_any_backend_of_the_lab_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text("server a 10.0.0.5:80")
    with pytest.raises(BadArgumentsError, match="names no backend of the lab"):
        adopt([str(file)], [], values(tmp_path), tmp_path)


def test_nginx_is_kept_in_the_foreground_unless_the_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text("events {}\n")
    _, command = command_for("nginx", Program(("nginx",)), file)
    assert command.argv[-2:] == ("-g", "daemon off; pid nginx.pid;")
    file.write_text("daemon off;\npid x.pid;\nevents {}\n")
    _, command = command_for("nginx", Program(("nginx",)), file)
    assert "-g" not in command.argv


def test_a_command_of_ones_own_gets_its_addresses_as_words_and_as_environment(tmp_path: Path) -> None:
    choice = Choice("mine", command="sh --listen @LISTEN@ --to '@BACKEND_1@ @BACKEND_2@'")
    prepared = prepare(choice, WANTED, tmp_path)
    assert prepared is not None
    assert prepared.argv == ("sh", "--listen", "127.0.0.1:8080", "--to", "127.0.0.1:9001 127.0.0.1:9002")
    assert prepared.environment["LAB_BACKENDS"] == "127.0.0.1:9001,127.0.0.1:9002"
    assert prepared.ready_url == "http://127.0.0.1:8080/health"


def test_one_that_runs_elsewhere_is_no_process(tmp_path: Path) -> None:
    assert prepare(Choice("mine", url="http://127.0.0.1:1"), WANTED, tmp_path) is None


def test_a_choice_survives_its_way_to_the_supervisor() -> None:
    choice = Choice("h (own)", adapter="haproxy", files=("/a",), replace=(("x", "LISTEN"),), relay_ports=(1, 2, 3))
    assert Choice.from_json(choice.to_json()) == choice
    with pytest.raises(BadArgumentsError):
        Choice.from_json('{"nonsense": 1}')


@pytest.mark.parametrize("command", ["no-such-program-here @LISTEN@", "sh 'unclosed"])
def test_a_command_that_cannot_be_run_is_told_before_anything_starts(command: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError):
        prepare(Choice("mine", command=command), WANTED, tmp_path)
