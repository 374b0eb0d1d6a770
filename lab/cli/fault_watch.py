"""Progress bars of active faults until they are healed. Ctrl-C heals them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ..errors import EnvironmentProblemError, ExitCode
from .fault_calls import Chaos, Document

LOOK_EVERY_S = 0.2
PATIENCE_S = 25.0
"""Seconds to wait after the end of a fault: the service may have to be restarted, and allows 15 s for a heal."""


async def inject_and_watch(chaos: Chaos, order: Document, console: Console) -> list[Document]:
    """Inject, wait, and return the final records. If interrupted, even during the injection, first heal everything."""
    injecting = asyncio.ensure_future(chaos.call("POST", "/faults", order))
    try:
        records = records_of(await asyncio.shield(injecting))
        for record in records:
            console.print(describe_fault(record), soft_wrap=True)
        return await _until_healed(chaos, records, console)
    except asyncio.CancelledError:
        await _heal(chaos, injecting, console)
        raise


def records_of(placed: Document) -> list[Document]:
    """Return the records in a response: several for a selection, one for a name."""
    return list(placed["faults"]) if "faults" in placed else [placed]


def describe_fault(record: Document) -> str:
    """Return one line about an injected fault."""
    duration = f"{record['duration_s']:g}s"
    return f"{record['id']}: {record['kind']} on {record['target']} for {duration}: {record['evidence']}"


def exit_code(records: list[Document]) -> ExitCode:
    """Return the code of the worst result: not healed, then a met stop condition, then a fault without effect."""
    if any(record["state"] == "failed" for record in records):
        return ExitCode.INTERNAL
    if any(record["healed_by"] == "stop_condition" for record in records):
        return ExitCode.FAIL
    return ExitCode.UNKNOWN if any(record["bit"] is False for record in records) else ExitCode.PASS


async def _until_healed(chaos: Chaos, records: list[Document], console: Console) -> list[Document]:
    offset = (await chaos.call("GET", "/clock"))["mono"] - time.monotonic()
    last = max(record["injected_mono"] + record["duration_s"] for record in records) - offset + PATIENCE_S
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars = {record["id"]: _bar(progress, record) for record in records}
        while any(record["state"] not in ("healed", "failed") for record in records) and time.monotonic() < last:
            await asyncio.sleep(LOOK_EVERY_S)
            records = [await _refreshed(chaos, record) for record in records]
            for record in records:
                progress.update(bars[record["id"]], **_bar_state(record, time.monotonic() + offset))
    for record in records:
        how = f" ({record['error']})" if record["error"] else ""
        console.print(f"{record['id']}: {record['state']} by {record['healed_by']}{how}", soft_wrap=True)
    return records


def _bar(progress: Progress, record: Document) -> TaskID:
    return progress.add_task(f"{record['kind']} {record['target']}", total=record["duration_s"], left="")


def _bar_state(record: Document, now_mono: float) -> dict[str, Any]:
    """Return the fields of the fault's progress bar."""
    passed = min(record["duration_s"], max(0.0, now_mono - record["injected_mono"]))
    left = f"{record['duration_s'] - passed:.1f} s left" if record["state"] == "active" else record["state"]
    return {"completed": passed, "left": left}


async def _refreshed(chaos: Chaos, record: Document) -> Document:
    """Return the current record, or the known one while the service is restarting."""
    try:
        return await chaos.call("GET", f"/faults/{record['id']}")
    except EnvironmentProblemError:
        return record


async def _heal(chaos: Chaos, injecting: asyncio.Task[Document], console: Console) -> None:
    """Heal everything. An injection in progress cannot be cancelled, so wait for it first."""
    records = records_of(await injecting)
    await asyncio.gather(*(chaos.call("DELETE", f"/faults/{record['id']}") for record in records))
    console.print(f"interrupted; healed: {', '.join(record['id'] for record in records)}")
