"""`python -m lab.traffic`: the generator as a process that its parent controls over stdin and stdout.

stdin: `go SECONDS` (the run's start on the monotonic clock, which all processes of a machine share), `stop`.
stdout, one JSON object a line: `{"type":"ready"}`, `{"type":"counts",…}` four times a second, `{"type":"done",…}`.
SIGTERM means `stop`; a second SIGTERM ends the process at once. The end of stdin, when the parent has died, also means
`stop`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import ssl
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..evidence.history import HistoryWriter
from ..evidence.progress import TrafficCounts
from ..scenario.plan import Plan
from ..services.identification import DEFAULT, Identification
from ..services.tls import client_context
from ..services.traffic_target import TrafficTarget
from .generator import Generator

_REPORT_EVERY_S = 0.25
_STDIN, _STDOUT = 0, 1


def main() -> int:
    """Return 0 if every request has an outcome, 254 for bad arguments, 255 if the history cannot be written or the
    target's certificate is not accepted.

    A target that is neither on loopback nor permitted is a bad argument, whatever the plan says.
    """
    arguments = _arguments()
    try:
        plan = Plan.from_json(arguments.plan.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"lab.traffic: {arguments.plan}: {error}", file=sys.stderr)  # noqa: T201 - error message of a program
        return 254
    try:
        target = TrafficTarget.resolve(arguments.target, arguments.host, arguments.permit)
        context = client_context(arguments.ca_file) if target.tls else None
    except BadArgumentsError as error:
        print(f"lab.traffic: {error}", file=sys.stderr)  # noqa: T201 - error message of a program
        return 254
    _raise_descriptor_limit()
    _raise_priority()
    try:
        _runner()(_drive(plan, target, context, arguments))
    except (OSError, EnvironmentProblemError) as error:
        print(f"lab.traffic: {error}", file=sys.stderr)  # noqa: T201 - error message of a program
        return 255
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.traffic", description="Sends the requests of a plan, open loop.")
    parser.add_argument("--plan", type=Path, required=True, help="plan.json")
    parser.add_argument("--history", type=Path, required=True, help="history.jsonl to write")
    parser.add_argument(
        "--target", required=True, help="base URL, such as http://127.0.0.1:8080, with a path that begins all paths"
    )
    parser.add_argument("--run-id", required=True, help="prefix of all job ids")
    parser.add_argument("--host", default="", help="Host header; default: that of the target")
    parser.add_argument(
        "--permit",
        action="append",
        default=[],
        metavar="IP",
        help="address besides loopback that requests may be sent to",
    )
    parser.add_argument("--ca-file", default="", help="PEM file of the CAs for https; default: those of this machine")
    parser.add_argument(
        "--identification", type=Identification.parse, default=DEFAULT, help="where a response names its backend"
    )
    return parser.parse_args()


async def _drive(
    plan: Plan, target: TrafficTarget, context: ssl.SSLContext | None, arguments: argparse.Namespace
) -> None:
    history = HistoryWriter(arguments.history)
    generator = Generator(plan, target, arguments.run_id, history, arguments.identification, context)
    try:
        await generator.check_handshakes()
        zero = await _wait_for_go(generator.stop)
        if zero is not None:
            await _generate(generator, zero)
        _report("done", generator.take_counts())
    finally:
        history.close()


async def _generate(generator: Generator, zero: float) -> None:
    # A full garbage collection during the run would delay requests, so objects that exist now are exempt from it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    reports = asyncio.create_task(_report_counts(generator))
    try:
        await generator.run(zero)
    finally:
        reports.cancel()


async def _report_counts(generator: Generator) -> None:
    while True:
        await asyncio.sleep(_REPORT_EVERY_S)
        _report("counts", generator.take_counts())


async def _wait_for_go(stop: Callable[[], None]) -> float | None:
    """Wait for `go` and return its time, or None if `stop` came first. A later `stop` still takes effect."""
    loop = asyncio.get_running_loop()
    go: asyncio.Future[float | None] = loop.create_future()
    received = bytearray()

    def halt() -> None:
        stop()
        if not go.done():
            go.set_result(None)

    def terminate() -> None:
        loop.add_signal_handler(signal.SIGTERM, os._exit, 1)
        halt()

    def read_commands() -> None:
        data = os.read(_STDIN, 4096)
        received.extend(data)
        *lines, rest = received.split(b"\n")
        received[:] = rest
        for line in lines:
            if line.startswith(b"go ") and not go.done():
                go.set_result(float(line[3:]))
            elif line == b"stop":
                halt()
        if not data:
            loop.remove_reader(_STDIN)
            halt()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # after Ctrl-C in the terminal, the parent decides
    loop.add_reader(_STDIN, read_commands)
    os.set_blocking(_STDOUT, False)
    _report("ready")
    return await go


def _report(kind: str, counts: TrafficCounts | None = None) -> None:
    line = json.dumps({"type": kind, **(asdict(counts) if counts else {})}) + "\n"
    # A parent that does not read must not delay the traffic. A parent that has died is noticed on stdin.
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(_STDOUT, line.encode())


def _raise_descriptor_limit() -> None:
    """Allow for one connection per request in flight: 2,000/s with 3 s of patience can need 6,000."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _raise_priority() -> None:
    """Make this a real-time process if that is permitted (as root, in containers), so that requests are sent on time.

    With two busy processes on each core, a real-time process is woken within 1.0 ms in 99 % of cases, an ordinary one
    within 4.5 ms, niced or not. The generator needs little CPU, and the kernel throttles real-time processes.
    """
    with contextlib.suppress(AttributeError, OSError):  # not on macOS, or not permitted
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


def _runner() -> Callable[..., None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    run: Callable[..., None] = uvloop.run
    return run


if __name__ == "__main__":
    sys.exit(main())
