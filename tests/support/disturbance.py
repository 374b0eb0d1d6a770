"""Measures what the host did during a test; a failure that this explains is inconclusive, and is tried once more.

Tests on real clocks can fail because the host was busy. Such a test says so by itself: while it runs, a thread records
how late it is woken, how long runnable tasks waited for a processor (pressure stall information), and what the
hypervisor took (steal). If the test fails and one of these is beyond its limit, the failure is *inconclusive*: it is
shown with the measurements, and the test is repeated from its fixtures on. Only a repetition that passes counts as
passed; one that fails is a failure, whatever the host did. A run with too many inconclusive tests fails.

One process repeats a test at once. Several processes (pytest-xdist) disturb each other, so their controller repeats
the inconclusive tests when all others have ended, one at a time, in a pytest of its own.

Tests without clocks (unit, meta, fuzz) are never excused.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from lab.evidence.host_monitor import read_pressure_us

CLOCKED = frozenset({"integration", "e2e", "soak"})
"""Folders of tests/ whose tests run on real clocks."""
PERIOD_S = 0.02
LATE_S = 0.1
"""A thread that wakes up this late was kept from the processor for five of its periods; the shortest time-out of the
balancers under test, 100 ms to connect, is as long."""
PRESSURE = 0.6
"""Share of the test in which something waited for a processor. Three tests of ours at a time cause 0.2 to 0.4 on two
cores; one more busy process makes it 0.8 and more."""
STEAL = 0.1
"""Share of all processors' time that the hypervisor gave to others."""
CALM_WITHIN_S = 20.0
"""How long the repetition waits for a calm moment. The last one passes: a busy host is no reason to wait for ever."""
CALM_FOR_S = 0.5
MOST_INCONCLUSIVE = 0.02
"""Share of the tests on clocks above which a run proves too little and fails. A single one never is too many."""
OUTCOME_FILE = "REROUTE_TEST_REPETITION"
"""Environment variable that tells a pytest that it only repeats inconclusive tests; the file that it names receives the
identifiers of the tests that failed."""
REPETITION_S = 900.0
"""Time limit of such a pytest. A part of the suite has at most a dozen inconclusive tests, of a minute each."""
PARTS = 3
"""`make test-clocked` is so many runs of pytest, which collect the same tests; each may use a part of the share."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What the host did in some stretch of time."""

    late_s: float = 0.0
    """The latest wake-up of a thread that only sleeps."""
    pressure: float = 0.0
    steal: float = 0.0

    def explains_a_failure(self) -> bool:
        """Return whether any measurement is beyond its limit."""
        return self.late_s >= LATE_S or self.pressure >= PRESSURE or self.steal >= STEAL

    def __str__(self) -> str:
        return f"late {self.late_s * 1000:.0f} ms, CPU pressure {self.pressure:.0%}, steal {self.steal:.0%}"


class HostWasBusyError(AssertionError):
    """What was found is wrong, and its own record says that the host was busy then: a run of the lab, for example, that
    took place before the test that judges it. Such a failure is inconclusive like one that was measured here."""


class Host:
    """Watches the host from a thread of its own until it is stopped."""

    def __init__(self) -> None:
        self.late_s = 0.0
        self._since = time.monotonic()
        self._pressure_us = read_pressure_us()
        self._steal_s = steal_s()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watches the host", daemon=True)

    def so_far(self) -> Disturbance:
        """Return what was measured until now."""
        took = max(time.monotonic() - self._since, PERIOD_S)
        pressure_us = read_pressure_us()
        pressure = 0.0 if pressure_us is None or self._pressure_us is None else (pressure_us - self._pressure_us) / 1e6
        steal = (steal_s() - self._steal_s) / (os.cpu_count() or 1)
        return Disturbance(self.late_s, min(1.0, pressure / took), min(1.0, steal / took))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._stopped.wait(PERIOD_S):
            now = time.monotonic()
            self.late_s = max(self.late_s, now - before - PERIOD_S)
            before = now


@contextmanager
def watched() -> Iterator[Host]:
    """Watch the host for the length of the context."""
    host = Host()
    host.start()
    try:
        yield host
    finally:
        host.stop()


def steal_s() -> float:
    """Seconds since boot, of all processors together, that the hypervisor gave to others; 0 where it is not told."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def wait_for_calm(within_s: float = CALM_WITHIN_S) -> None:
    """Return as soon as the host was calm for `CALM_FOR_S`, and at the latest after `within_s`."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        with watched() as host:
            time.sleep(CALM_FOR_S)
            if not host.so_far().explains_a_failure():
                return


class Plugin:
    """The pytest hooks. `watch` and `calm` are arguments so that tests can state what the host did."""

    def __init__(
        self,
        watch: Callable[[], Any] = watched,
        calm: Callable[[], None] = wait_for_calm,
        clocked: Callable[[pytest.Item], bool] | None = None,
    ) -> None:
        self._watch, self._calm = watch, calm
        self._clocked = clocked or (lambda item: bool(CLOCKED & set(item.path.parts)))
        self._collected = 0
        """Tests on clocks in all parts, deselected ones included."""
        self._failed_again: set[str] | None = set()
        """Inconclusive tests of several processes that failed when repeated; None if they were not repeated."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Count the tests before any are deselected."""
        self._collected = sum(self._clocked(item) and not item.get_closest_marker("long") for item in items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the count from a worker of pytest-xdist, whose controller collects nothing."""
        self._collected = max(self._collected, getattr(node, "workeroutput", {}).get("clocked", 0))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test on clocks; repeat it once if it failed and the host explains that."""
        if not self._clocked(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        with self._watch() as host:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            found: Disturbance = host.so_far()
        failed = [report for report in reports if report.failed]
        explained = found.explains_a_failure() or any(_host_was_busy(report) for report in failed)
        if failed and explained and OUTCOME_FILE not in os.environ:
            for report in failed:
                report.outcome = "inconclusive"  # type: ignore[assignment]
                report.disturbance = str(found)
                item.ihook.pytest_runtest_logreport(report=report)
            item.session._setupstate.teardown_exact(None)  # no other test gets fixtures that may be spoiled
            reports = [] if hasattr(item.config, "workerinput") else self._repeat(item, nextitem)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _repeat(self, item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
        """Run the test again from its widest fixture on, with its time-out counted anew."""
        self._calm()
        if timeouts := item.config.pluginmanager.get_plugin("timeout"):
            settings = timeouts._get_item_settings(item)
            item.ihook.pytest_timeout_cancel_timer(item=item)
            if settings.timeout:
                item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
        item._initrequest()  # type: ignore[attr-defined]
        return runtestprotocol(item, nextitem=nextitem, log=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep of the exception whether it is `HostWasBusyError`: reports hold only its text."""
        report = yield
        report.host_was_busy = call.excinfo is not None and call.excinfo.errisinstance(HostWasBusyError)
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Name what is inconclusive."""
        return ("inconclusive", "I", "INCONCLUSIVE") if _inconclusive(report) else None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print each inconclusive failure with what the host did, and their count."""
        reports = terminalreporter.stats.get("inconclusive", [])
        if not reports:
            return
        terminalreporter.section("inconclusive")
        for report in reports:
            terminalreporter.line(f"{report.nodeid} ({report.when}): {report.disturbance}")
            terminalreporter.line(str(report.longrepr).strip().rpartition("\n")[2][:300])
        terminalreporter.line(summary(terminalreporter.stats, self._collected, self._failed_again))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Repeat what several processes left inconclusive; fail a run that has too many of these to prove anything."""
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output["clocked"] = self._collected
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        if (outcomes := os.environ.get(OUTCOME_FILE)) is not None:
            Path(outcomes).write_text("\n".join(_tests(reporter.stats, "failed", "error")), encoding="utf-8")
        several = session.config.pluginmanager.has_plugin("dsession")
        if too_many(reporter.stats, self._collected) or exitstatus not in _ENDED:
            self._failed_again = None if several else set()
        elif several:
            self._failed_again = repeat_alone(session.config, reporter)
        if exitstatus in _ENDED and (too_many(reporter.stats, self._collected) or self._failed_again):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


_ENDED = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED})
"""Exit codes of a run that was not interrupted; only such a run repeats tests."""


def repeat_alone(config: pytest.Config, reporter: pytest.TerminalReporter) -> set[str]:
    """Run the inconclusive tests again, one at a time, and return those that failed."""
    tests = sorted(_tests(reporter.stats, "inconclusive"))
    if not tests:
        return set()
    reporter.section(f"{len(tests)} inconclusive, repeated one at a time")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder, "failed")
        temporary = config.getoption("basetemp")
        own = Path(temporary, "repeated") if temporary else Path(folder, "tmp")
        command = [sys.executable, "-m", "pytest", "--rootdir", str(config.rootpath), "--basetemp", str(own), *tests]
        soak = ["--soak"] if config.getoption("--soak", default=False) else []
        try:
            done = subprocess.run(
                [*command, *soak],
                cwd=config.invocation_params.dir,
                env={**os.environ, OUTCOME_FILE: str(outcomes)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=REPETITION_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            reporter.write_line(f"the repetition did not end in {REPETITION_S:g} s")
            return set(tests)
        reporter.write_line(done.stdout)
        failed = set(outcomes.read_text(encoding="utf-8").split("\n")) - {""} if outcomes.exists() else set(tests)
        return failed if done.returncode == 0 or failed else set(tests)


def _host_was_busy(report: pytest.TestReport) -> bool:
    return bool(getattr(report, "host_was_busy", False))


def _inconclusive(report: pytest.TestReport) -> bool:
    return str(report.outcome) == "inconclusive"


def _tests(stats: dict[str, list[Any]], *categories: str) -> set[str]:
    return {report.nodeid for category in categories for report in stats.get(category, ())}


def too_many(stats: dict[str, list[Any]], collected: int) -> bool:
    """Return whether this run used up more than its part of `MOST_INCONCLUSIVE` of the `collected` tests."""
    return len(_tests(stats, "inconclusive")) > max(1, collected * MOST_INCONCLUSIVE / PARTS)


def summary(stats: dict[str, list[Any]], collected: int, failed_again: set[str] | None) -> str:
    """Return the sentence that ends a run with inconclusive tests. `failed_again`: None if none was repeated."""
    inconclusive = _tests(stats, "inconclusive")
    failed = inconclusive & _tests(stats, "failed", "error") | (failed_again or set())
    outcome = f"{len(failed)} failed when repeated" if failed else "all passed when repeated"
    if failed_again is None:
        outcome = "not repeated"
    excess = f"; more than {MOST_INCONCLUSIVE / PARTS:.1%} of the {collected} tests on clocks: the run fails"
    verdict = excess if too_many(stats, collected) else ""
    return f"{len(inconclusive)} inconclusive, {outcome}{verdict}"
