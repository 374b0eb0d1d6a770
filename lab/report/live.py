"""The view of a run while it goes on: a panel that redraws in place, or plain lines where there is no terminal."""

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
"""Between two lines of counts where lines stay, as in a CI log."""
_PHASES = {
    "warm-up": "warm-up: requests are sent and not judged",
    "steady": "steady state: nothing is wrong yet",
    "faults": "faults are injected and heal again",
    "settle": "faults are over: until every backend is back, and a while longer",
    "collect": "the last answers and the backends' ledgers are collected",
    "judge": "the run is judged",
}
"""What is going on in each, for somebody who sees it for the first time."""
_LABEL = 10
"""Columns of the words at the left of the panel."""
_STATE_STYLES = {"up": "green", "suspected": "yellow", "down": "red", "ejected": "magenta", "drain": "cyan"}


class View(Progress):
    """What both views are: a watcher of runs that must be closed. Ctrl-C closes it like any other end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was found."""


def view(console: Console) -> View:
    """The view that suits `console`: a redrawn panel on a terminal, lines anywhere else."""
    return PanelView(console) if console.is_terminal and not console.is_dumb_terminal else LineView(console)


class PanelView(View):
    """Redraws in place, only when the experiment reports something: nothing to flicker, no thread of its own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state: LiveState | None = None
        self._live: Live | None = None

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """A new panel below whatever the terminal already shows."""
        self.close()
        self._state = LiveState.of(run_id, plan)
        self._live = Live(panel(self._state), console=self._console, auto_refresh=False, transient=True)
        self._live.start(refresh=True)

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        """Shown at once."""
        if self._state is not None:
            self._state.enter(t, name, ends_at)
            self._draw()

    def event(self, event: Event) -> None:
        """Shown at once when it matters to people; probes do not."""
        if self._state is not None and self._state.note(event):
            self._draw()

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        """Four times a second: the view's pulse."""
        if self._state is not None:
            self._state.count(t, counts)
            self._draw()

    def finished(self, verdict: RunVerdict) -> None:
        """The panel goes; the summary takes its place."""
        self.close()

    def close(self) -> None:
        """Safe to call again."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _draw(self) -> None:
        if self._live is not None and self._state is not None:
            self._live.update(panel(self._state), refresh=True)


class LineView(View):
    """One line for what happens, and the counts every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state: LiveState | None = None
        self._counted_at = 0.0

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """Says which run the following lines belong to."""
        self._state, self._counted_at = LiveState.of(run_id, plan), 0.0
        self._say(0.0, f"{plan.scenario}: {plan.title} – {run_id}, about {self._state.ends_at:.0f} s")

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        """A line a phase."""
        if self._state is not None:
            self._state.enter(t, name, ends_at)
            self._say(t, _PHASES.get(name, name))

    def event(self, event: Event) -> None:
        """A line for what matters to people."""
        if self._state is not None and (line := self._state.note(event)):
            self._say(event.t, line)

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        """A line every `PLAIN_EVERY_S`."""
        if self._state is None:
            return
        self._state.count(t, counts)
        if t - self._counted_at >= PLAIN_EVERY_S:
            self._counted_at = t
            self._say(t, _one_line(_counted(self._state)).plain)

    def finished(self, verdict: RunVerdict) -> None:
        """The last line."""
        if self._state is not None:
            self._say(self._state.t, f"{verdict.scenario}: {verdict.verdict.value}")

    def _say(self, t: float, line: str) -> None:
        self._console.print(Text(f"{t:7.2f} s  {line}"), soft_wrap=True)


def panel(state: LiveState) -> RenderableType:
    """The whole view. Its height does not change during a run, or the terminal would jump."""
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
    """Requests so far. A number that should be zero and is not carries a colour as well. That the generator is late is
    told where it makes the run unknown."""
    counts = state.counts
    told = [(f"{state.rate:.0f}/s", ""), (f"{counts.ok:,} ok", "green")]
    told += [(f"{counts.failed:,} failed", "bold red" if counts.failed else "dim")]
    told += [(f"{counts.unknown:,} unknown", "bold magenta" if counts.unknown else "dim")]
    told += [(f"{counts.slow:,} slow", "bold yellow" if counts.slow else "dim")]
    told += [(f"{counts.in_flight} in flight", "dim")]
    if counts.lag_max_s > generator_lag.LIMIT_S:
        told += [(f"sent {milliseconds(counts.lag_max_s)} late", "bold yellow")]
    return [Text(*each) for each in told]


def _backends(state: LiveState) -> list[Text]:
    known = sorted(state.backends.values(), key=lambda backend: backend.name)
    words = [Text.assemble(b.name, " ", (b.word, f"bold {_STATE_STYLES.get(b.word, 'dim')}")) for b in known]
    return words or [Text("no backend has been reported yet", "dim")]


def _faults(state: LiveState) -> list[Text]:
    told = []
    for fault in state.faults.values():
        left = "" if fault.ends_at is None else f", {max(0.0, fault.ends_at - state.t):.1f} s left"
        told.append(Text(f"▲ {fault.kind} on {fault.target}{left}", "bold yellow"))
    return told or [Text("no fault is active", "dim")]


def _one_line(parts: list[Text], label: str = "") -> Text:
    """A narrow terminal cuts it: a second line would make the panel jump."""
    line = Text.assemble((label.ljust(_LABEL) if label else "", "dim"), Text("  ").join(parts))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
