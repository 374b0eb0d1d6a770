from __future__ import annotations

import pytest

from api.__main__ import main
from api.settings import from_environment, variables


def test_help_names_every_variable_with_its_default_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    text = capsys.readouterr().out
    for row in variables():
        assert all(part in text for part in row)


def test_what_help_calls_the_defaults_are_values_that_change_nothing() -> None:
    assert from_environment({name: default for name, default, _ in variables()}) == from_environment({})


def test_an_unknown_argument_is_one_line_and_254(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bogus"]) == 254

    first, following = capsys.readouterr().err.splitlines()
    assert first == "api: unrecognized arguments: --bogus"
    assert following == "  next: python -m api --help"
