"""Formats results for terminal and page."""

from __future__ import annotations

from .closed_loop import Shape, format_size
from .result import Report, Row


def cost(row: Row) -> str:
    """Format median and range over the rounds, microseconds: `25.1 (24–27)`."""
    return f"{row.cpu_us:.1f} ({row.cpu_us_min:.0f}–{row.cpu_us_max:.0f})"


def ratio(row: Row) -> str:
    """Format the ratio to the baseline: `1.70 ×`."""
    return "–" if row.ratio is None else f"{row.ratio:.2f} ×"


def rate(row: Row) -> str:
    """Format requests per second."""
    return f"{row.requests_per_s:,.0f}"


def latency(seconds: float) -> str:
    """Format seconds as milliseconds."""
    return f"{seconds * 1000:.1f}"


def idle(report: Report, contender: str) -> str:
    """Format the memory of an idle connection: `1.1 KiB`."""
    found = report.idle.get(contender)
    return "–" if found is None else f"{found.bytes_each / 1024:.1f} KiB"


def troubles(report: Report) -> list[tuple[str, str]]:
    """Return (contender, problem) for every problem of the run."""
    ended = [(entrant.name, entrant.problem) for entrant in report.entrants if entrant.problem]
    dropped = [
        (name, f"{found.asked - found.held:,} of {found.asked:,} idle connections were dropped")
        for name, found in report.idle.items()
        if found.held < found.asked
    ]
    failed = [
        (row.contender, f"{count(row.errors, 'request')} failed over {load(shape)}")
        for shape in report.shapes
        for row in report.rows(shape)
        if row.errors
    ]
    return ended + dropped + failed


def how(report: Report) -> str:
    """Return the conditions of the run in one sentence."""
    return (
        f"Medians of {report.rounds} interleaved rounds of {report.seconds} s; one core each; matched settings; "
        f"load by {report.generator}, backends {report.backends}."
    )


def load(shape: Shape) -> str:
    """Format a load: `64 connections, GET → 64 B`."""
    return f"{count(shape.connections, 'connection')}, {body(shape)}"


def count(number: int, noun: str) -> str:
    """Format a number with its noun: `1 request`, `1,000 requests`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def body(shape: Shape) -> str:
    """Format method and sizes: `GET → 64 B`, `POST 16 KiB → 64 KiB`."""
    asked = f"POST {format_size(shape.sends)}" if shape.sends else "GET"
    return f"{asked} → {format_size(shape.receives)}"
