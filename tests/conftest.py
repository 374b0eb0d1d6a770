"""Makes `tests.support` importable from every test, knows `--soak` (the long versions of what CI runs short), and lets
tests on real clocks say when the host was too busy (`tests/support/disturbance.py`)."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FUZZ_EXAMPLES = {False: 400, True: 30_000}
"""Per property of `tests/fuzz`: seconds in CI, and the same ones every time; minutes of new ones in a soak."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="the long versions: minutes of fuzzing and load")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `long`, and count it for the summary."""
    if config.getoption("--soak"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background; what we start would ignore it, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    from tests.support.disturbance import Plugin

    config.pluginmanager.register(Plugin(), "disturbance")
    soak = bool(config.getoption("--soak"))
    settings.register_profile("tests", deadline=None)  # a time limit for an example would measure the host
    settings.load_profile("tests")
    settings.register_profile("fuzz", max_examples=FUZZ_EXAMPLES[soak], derandomize=not soak, deadline=None)


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether minutes may be spent."""
    return bool(request.config.getoption("--soak"))
