"""All commands put together, and the one place where failures become a line on stderr and an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import typer
from typer.exceptions import TyperException

from lab.cli import bench, compare, doctor, faults, labs, run_scenarios, scenarios
from lab.errors import ExitCode, LabError

app = typer.Typer(
    name="lab",
    help="When a backend dies, hangs or slows down: how long does the balancer keep sending it traffic, and what does "
    "that cost the clients?",
    epilog="Exit codes: 0 pass, 1 fail, 2 unknown, 130 interrupted, 254 bad arguments, 255 environment or internal. "
    "LAB_DEBUG=1 shows tracebacks.",
    add_completion=False,
    rich_markup_mode=None,
)
app.command("run")(run_scenarios.run)
app.command("up")(labs.up)
app.command("down")(labs.down)
app.command("status")(labs.status)
app.command("validate")(scenarios.validate)
app.command("schema")(scenarios.schema)
app.command("plan")(scenarios.plan)
app.command("replay")(run_scenarios.replay)
app.command("check")(scenarios.check)
app.command("report")(scenarios.report)
app.command("compare")(compare.compare)
app.command("doctor")(doctor.doctor)
app.add_typer(faults.app, name="faults")
app.add_typer(bench.app, name="bench")


def run(arguments: Sequence[str]) -> int:
    """Run one command line and answer its exit code. Raises only KeyboardInterrupt, and anything under LAB_DEBUG=1."""
    # A shell starts background jobs with SIGINT ignored; SIGTERM, which takes its road, must still arrive.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    as_json = "--json" in arguments
    try:
        # With standalone_mode, usage errors would exit 2, which means `unknown` here.
        code = typer.main.get_command(app).main(list(arguments) or ["--help"], prog_name="lab", standalone_mode=False)
        return int(code or ExitCode.PASS)
    except LabError as error:
        return _fail(str(error), error.next_step, error.details, error.exit_code, as_json, error)
    except TyperException as error:
        usage = str(getattr(error, "format_message", error.__str__)())
        return _fail(usage, "lab --help, or lab COMMAND --help", (), ExitCode.BAD_ARGUMENTS, as_json, error)
    except Exception as error:  # noqa: BLE001 - the boundary: whatever is left must not end in a traceback
        message = f"internal error: {type(error).__name__}: {error}"
        return _fail(
            message, "run it again with LAB_DEBUG=1 and report what it prints", (), ExitCode.INTERNAL, as_json, error
        )


def _fail(message: str, next_step: str, details: Sequence[str], code: ExitCode, as_json: bool, error: Exception) -> int:
    if os.environ.get("LAB_DEBUG") == "1":
        raise error
    lines = [f"lab: {message.strip() or 'no command given'}", *(f"    {line}" for line in details)]
    if next_step:
        lines.append(f"  next: {next_step}")
    sys.stderr.write("\n".join(lines) + "\n")
    if as_json:
        sys.stdout.write(json.dumps({"error": message, "next": next_step, "exit_code": int(code)}) + "\n")
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP take the road of Ctrl-C, which asyncio and every `finally` know."""
    signal.raise_signal(signal.SIGINT)
