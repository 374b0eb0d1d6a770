"""How the findings read, in the terminal and on the page."""

from __future__ import annotations

from .closed_loop import Shape, format_size
from .result import Report, Row


def cost(row: Row) -> str:
    """`25.1 (24–27)`: the median and the range over the rounds, microseconds."""
    return f"{row.cpu_us:.1f} ({row.cpu_us_min:.0f}–{row.cpu_us_max:.0f})"


def ratio(row: Row) -> str:
    """`1.7 ×`."""
    return "–" if row.ratio is None else f"{row.ratio:.2f} ×"


def rate(row: Row) -> str:
    """Requests a second."""
    return f"{row.requests_per_s:,.0f}"


def latency(seconds: float) -> str:
    """Milliseconds."""
    return f"{seconds * 1000:.1f}"


def idle(report: Report, contender: str) -> str:
    """`1.1 KiB`."""
    found = report.idle.get(contender)
    return "–" if found is None else f"{found.bytes_each / 1024:.1f} KiB"


def troubles(report: Report) -> list[tuple[str, str]]:
    """(contender, what was wrong), for all that did not go as asked."""
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
    """The conditions, in one sentence."""
    return (
        f"Medians of {report.rounds} interleaved rounds of {report.seconds} s; one core each; matched settings; "
        f"load by {report.generator}, backends {report.backends}."
    )


def load(shape: Shape) -> str:
    """`64 connections, GET → 64 B`."""
    return f"{count(shape.connections, 'connection')}, {body(shape)}"


def count(number: int, noun: str) -> str:
    """`1 request`, `1,000 requests`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def body(shape: Shape) -> str:
    """`GET → 64 B`, `POST 16 KiB → 64 KiB`."""
    asked = f"POST {format_size(shape.sends)}" if shape.sends else "GET"
    return f"{asked} → {format_size(shape.receives)}"
