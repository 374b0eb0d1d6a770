"""Formats numbers for terminal and page."""

from __future__ import annotations

from collections import Counter
from statistics import median

from .bench_record import Bench, Cell, Scenario, TheoryLatency


def duration(seconds: float | None) -> str:
    """Format seconds with at most three digits and a unit; a dash for None."""
    if seconds is None:
        return "–"
    if seconds >= 1.0:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"


def expected(theory: TheoryLatency | None, name: str) -> str:
    """Format a theoretical latency with its relation; empty if there is none."""
    if theory is None:
        return ""
    if theory.relation == "∞":
        return "∞"
    value = getattr(theory, name)
    return f"{theory.relation} {duration(value)}" if value is not None else ""


def measured_share(scenario: Scenario, cell: Cell) -> str:
    """Format the share of the backend at `scenario.focus`, or the range over all backends."""
    if scenario.focus is not None:
        return f"{cell.shares[scenario.focus]:.1%}"
    low, high = f"{100 * min(cell.shares):.1f}", f"{100 * max(cell.shares):.1f}"
    return f"{low}%" if low == high else f"{low}–{high}%"


def expected_share(scenario: Scenario, cell: Cell) -> str:
    """Format a theoretical share with its relation; empty if there is none."""
    shares = cell.theory.shares
    if shares is None:
        return ""
    if shares.focus is not None:
        return f"{shares.relation} {shares.focus:.1%}"
    return f"{shares.relation} {shares.each[0]:.1%}" if scenario.focus is None and shares.each else ""


def part(count: int, whole: int) -> str:
    """Format `count` as a share of `whole`; `<0.1%` instead of 0.0% for a positive count."""
    if not count:
        return "0"
    share = count / whole
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def load(scenario: Scenario) -> str:
    """Format backends and traffic in one line."""
    counts = Counter((b.servers, b.work_s) for b in scenario.backends)
    fleet = " + ".join(
        f"{count} × {servers} server{'s' if servers > 1 else ''} at {duration(work)}"
        for (servers, work), count in counts.items()
    )
    return f"{fleet}, {scenario.rate_per_s:,.0f} requests/s, ρ = {scenario.utilisation:.0%}"


def costs(bench: Bench) -> list[tuple[str, list[float]]]:
    """Return each policy with the cost of its picks, microseconds, by rising number of backends."""
    by_policy: dict[str, list[tuple[int, float]]] = {}
    for cost in bench.cost:
        by_policy.setdefault(cost.policy, []).append((cost.backends, cost.pick_us))
    return [(policy, [us for _, us in sorted(each)]) for policy, each in by_policy.items()]


def deviations(bench: Bench) -> list[tuple[float, Cell]]:
    """Return the relative deviation of each simulated mean from exact theory, the largest first."""
    found = [
        (abs(cell.mean_s.value / theory.mean_s - 1.0), cell)
        for cell in bench.cells
        if (theory := cell.theory.latency) and theory.relation == "=" and theory.mean_s
    ]
    return sorted(found, key=lambda each: -each[0])


def agreement(bench: Bench) -> str:
    """Return a sentence on how well simulation and theory agree; empty if there is nothing to compare."""
    found = deviations(bench)
    if not found:
        return ""
    largest, cell = found[0]
    middle = median(each for each, _ in found)
    return (
        f"Where theory is exact, the simulated mean differs from it by {middle:.1%} in the median and by {largest:.1%} "
        f"at most ({cell.policy} in “{cell.scenario}”)."
    )
