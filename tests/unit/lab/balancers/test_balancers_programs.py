"""Finding a program, and reading its version off whatever it prints."""

from __future__ import annotations

import sys

import pytest

from lab.balancers import programs
from lab.balancers.adapter import Missing, Program
from lab.errors import EnvironmentProblemError


def printing(text: str) -> Program:
    return Program((sys.executable, "-c", f"print({text!r})"))


def test_a_program_that_is_not_here_answers_how_to_install_it() -> None:
    assert programs.find("no-such-balancer", "apt-get install it") == Missing("apt-get install it")


def test_a_program_on_the_path_is_found() -> None:
    found = programs.find("sh", "never")
    assert isinstance(found, Program)
    assert found.argv[0].endswith("/sh")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", "2.6.12"),
        ("nginx version: nginx/1.22.1", "1.22.1"),
        ("envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL", "1.40.0"),
        ("Version:      3.7.15\nCodename:     langres\nGo version:   go1.26.9", "3.7.15"),
        ("v2.11.7 h1:yj0Y4fYZGPkSvibBJ1sTWE33xC0fxztVyXEW5iIdUT4=", "2.11.7"),
    ],
)
def test_the_version_is_read_off_what_each_program_prints(text: str, version: str) -> None:
    assert programs.version(printing(text)) == version


def test_a_program_that_tells_no_version_is_an_error_with_its_words() -> None:
    with pytest.raises(EnvironmentProblemError, match="prints no version") as caught:
        programs.version(printing("segmentation fault"))
    assert caught.value.details == ("segmentation fault",)


def test_a_program_that_does_not_run_is_an_error() -> None:
    with pytest.raises(EnvironmentProblemError, match="does not run"):
        programs.version(Program(("/no/such/program",)))
