"""Live view of a run: a panel that is redrawn in place, or plain lines if the output is not a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..evidence.events import Event
from ..evidence.progress import Progress, TrafficCounts
from ..evidence.verdict import RunVerdict
from ..judge.checkers import generator_lag
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints
from .live_state import RECENT, LiveState
from .sentences import milliseconds

PLAIN_EVERY_S = 5.0
"""Seconds between two lines of counts in the plain view, as in a CI log."""
_PHASES = {
    "warm-up": "warm-up: requests are sent but not judged",
    "steady": "steady state: traffic before the first fault",
    "faults": "faults are injected and healed",
    "settle": "faults are healed; waiting until all backends are readmitted",
    "collect": "the last answers and the backends' ledgers are collected",
    "judge": "the run is judged",
}
"""Description of each phase, for people who see it for the first time."""
_LABEL = 10
"""Width of the labels at the left of the panel, in columns."""
_STATE_STYLES = {"up": "green", "suspected": "yellow", "down": "red", "ejected": "magenta", "drain": "cyan"}


class View(Progress):
    """Base class of both views. As a context manager, it restores the terminal at the end, also after Ctrl-C."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Restore the terminal."""


def view(console: Console) -> View:
    """Return the view for `console`: a panel on a terminal, plain lines otherwise."""
    return PanelView(console) if console.is_terminal and not console.is_dumb_terminal else LineView(console)


class PanelView(View):
    """A panel that is redrawn only when the experiment reports something: no flicker, and no thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state: LiveState | None = None
        self._live: Live | None = None

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """Show a new panel below earlier output."""
        self.close()
        self._state = LiveState.of(run_id, plan)
        self._live = Live(panel(self._state), console=self._console, auto_refresh=False, transient=True)
        self._live.start(refresh=True)

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        """Show the phase at once."""
        if self._state is not None:
            self._state.enter(t, name, ends_at)
            self._draw()

    def event(self, event: Event) -> None:
        """Show the event at once if it has a line in the view; probes have none."""
        if self._state is not None and self._state.note(event):
            self._draw()

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        """Show the counts, four times a second."""
        if self._state is not None:
            self._state.count(t, counts)
            self._draw()

    def finished(self, verdict: RunVerdict) -> None:
        """Remove the panel; a summary follows."""
        self.close()

    def close(self) -> None:
        """Remove the panel. May be called more than once."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _draw(self) -> None:
        if self._live is not None and self._state is not None:
            self._live.update(panel(self._state), refresh=True)


class LineView(View):
    """One line for each event, and the counts every `PLAIN_EVERY_S` seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state: LiveState | None = None
        self._counted_at = 0.0

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """Print which run the following lines belong to."""
        self._state, self._counted_at = LiveState.of(run_id, plan), 0.0
        self._print(0.0, f"{plan.scenario}: {plan.title} – {run_id}, about {self._state.ends_at:.0f} s")

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        """Print the phase."""
        if self._state is not None:
            self._state.enter(t, name, ends_at)
            self._print(t, _PHASES.get(name, name))

    def event(self, event: Event) -> None:
        """Print the event if it has a line in the view."""
        if self._state is not None and (line := self._state.note(event)):
            self._print(event.t, line)

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        """Print the counts every `PLAIN_EVERY_S` seconds."""
        if self._state is None:
            return
        self._state.count(t, counts)
        if t - self._counted_at >= PLAIN_EVERY_S:
            self._counted_at = t
            self._print(t, _one_line(_counted(self._state)).plain)

    def finished(self, verdict: RunVerdict) -> None:
        """Print the verdict."""
        if self._state is not None:
            self._print(self._state.t, f"{verdict.scenario}: {verdict.verdict.value}")

    def _print(self, t: float, line: str) -> None:
        self._console.print(Text(f"{t:7.2f} s  {line}"), soft_wrap=True)


def panel(state: LiveState) -> RenderableType:
    """Return the whole panel. Its height stays constant during a run, because the terminal would scroll otherwise."""
    recent = [
        Text.assemble((f"{t:7.2f} s  ", "dim"), line, no_wrap=True, overflow="ellipsis") for t, line in state.recent
    ]
    blank = [Text()] * (RECENT - len(recent))
    rows = [("phase", [Text(_PHASES.get(state.phase, state.phase), "bold")]), ("requests", _counted(state))]
    rows += [("backends", _backends(state)), ("faults", _faults(state))]
    body = Group(_elapsed(state), *(_one_line(parts, label) for label, parts in rows), Text(), *recent, *blank)
    title = Text.assemble((state.scenario, "bold"), f" – {state.title}")
    return Panel(body, title=title, title_align="left", subtitle=Text(state.run_id, "dim"), subtitle_align="right")


def _elapsed(state: LiveState) -> RenderableType:
    row = Table.grid(expand=True, padding=(0, 1))
    row.add_column(width=_LABEL - 1)
    row.add_column(ratio=1)
    row.add_column(justify="right")
    bar = ProgressBar(total=state.ends_at, completed=min(state.t, state.ends_at))
    row.add_row(Text("time", "dim"), bar, f"{state.t:5.1f} s, {state.left_s:.0f} s left")
    return row


def _counted(state: LiveState) -> list[Text]:
    """Return the counts of requests so far. Counts that should be zero but are not have a colour.

    The generator's lag is shown only if it is large enough to make the run unknown.
    """
    counts = state.counts
    parts = [(f"{state.rate:.0f}/s", ""), (f"{counts.ok:,} ok", "green")]
    parts += [(f"{counts.failed:,} failed", "bold red" if counts.failed else "dim")]
    parts += [(f"{counts.unknown:,} unknown", "bold magenta" if counts.unknown else "dim")]
    parts += [(f"{counts.slow:,} slow", "bold yellow" if counts.slow else "dim")]
    parts += [(f"{counts.in_flight} in flight", "dim")]
    if counts.lag_max_s > generator_lag.LIMIT_S:
        parts += [(f"sent {milliseconds(counts.lag_max_s)} late", "bold yellow")]
    return [Text(*each) for each in parts]


def _backends(state: LiveState) -> list[Text]:
    known = sorted(state.backends.values(), key=lambda backend: backend.name)
    parts = [
        Text.assemble(b.name, " ", (b.shown_state, f"bold {_STATE_STYLES.get(b.shown_state, 'dim')}")) for b in known
    ]
    return parts or [Text("no backend has been reported yet", "dim")]


def _faults(state: LiveState) -> list[Text]:
    parts = []
    for fault in state.faults.values():
        left = "" if fault.ends_at is None else f", {max(0.0, fault.ends_at - state.t):.1f} s left"
        parts.append(Text(f"▲ {fault.kind} on {fault.target}{left}", "bold yellow"))
    return parts or [Text("no fault is active", "dim")]


def _one_line(parts: list[Text], label: str = "") -> Text:
    """Return the parts on one line. A narrow terminal cuts it off, because wrapping would change the panel's height."""
    line = Text.assemble((label.ljust(_LABEL) if label else "", "dim"), Text("  ").join(parts))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
