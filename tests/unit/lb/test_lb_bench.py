import subprocess
import sys

import pytest

from lb.bench import __main__ as command
from lb.bench.request_cost import Cost, measure


def test_a_request_costs_more_than_only_reading_its_heads() -> None:
    cost = measure(rounds=1)

    assert cost.request_us > cost.yardstick_us > 0


@pytest.mark.parametrize(("ratio_to_allowed", "logged_us", "code"), [(0.99, 4.9, 0), (1.01, 4.9, 1), (0.99, 5.1, 1)])
def test_the_check_fails_once_a_cost_has_grown(
    monkeypatch: pytest.MonkeyPatch, ratio_to_allowed: float, logged_us: float, code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["lb.bench", "--check"])
    monkeypatch.setattr(command, "measure", lambda rounds: Cost(ratio_to_allowed * command.allowed(), 1.0))

    monkeypatch.setattr(command.log_cost, "measure", lambda rounds, sample: logged_us)

    assert command.main() == code


def test_the_line_names_the_interpreter_and_the_build() -> None:
    line = command.summary(Cost(20.0, 2.0))

    assert "20.0 us" in line
    assert "10.00 x" in line
    assert sys.version.split()[0] in line


def test_the_command_runs() -> None:
    command_line = [sys.executable, "-m", "lb.bench", "--rounds", "1"]

    done = subprocess.run(command_line, check=False, capture_output=True, text=True)

    assert done.returncode == 0
    assert "us CPU a request" in done.stdout
