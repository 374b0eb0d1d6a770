"""The parent of all processes of a local lab: `python -m lab.runtime.supervisor --state-dir DIR`.

It runs in a session of its own, so that the terminal's Ctrl-C does not reach the lab's processes. It lives as long as
its lifeline (stdin, see `lab.runtime.supervisor_handshake`): however the `lab` command ends, no process is left behind.
If the supervisor itself gets SIGKILL, PR_SET_PDEATHSIG ends its children (Linux).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import secrets
import shlex
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from ..balancers.selection import Choice
from ..errors import ExitCode, LabError
from ..polling import until
from ..processes.isolation.network import has_only_loopback
from ..processes.readiness import NOT_LOADED, Answer, advice, ask
from . import ports
from .socket_watch import end_if_it_leaves, watch
from .supervised_process import STOP_GRACE_S, Process
from .supervisor_api import serve
from .supervisor_handshake import DETACH, Failed, Message, Notice, Ready, encode
from .topology import BALANCER_FOLDER, OUR_BALANCER, Layout, Role, Spec, backend_specs, local_lab

READY_WITHIN_S: Final = 60.0
"""Seconds. A cold start of nine Python processes on two slow cores takes 5 s; several labs may start at once."""
STARTS_AT_MOST: Final = 3
"""Attempts to start a lab. Another program may take one of its ports meanwhile, but rarely three times in a row."""
OURS_WITHIN_S: Final = 3.0
"""Seconds for ready members to identify themselves. It takes milliseconds, except on a busy machine."""


class Supervisor:
    """Starts, checks, scales and stops the processes of one lab."""

    def __init__(
        self, processes: Sequence[Process], layout: Layout, stop_asked: asyncio.Event, spare: Iterator[int]
    ) -> None:
        self.processes = {process.spec.name: process for process in processes}
        self.layout = layout
        self.stop_asked = stop_asked
        self._spare = spare
        self._watch: asyncio.Task[None] | None = None
        self._backends = layout.backends
        """The highest number in a name of a backend."""

    async def start_all(self) -> Failed | None:
        """Start everything and wait until each process is ready and no other program answers in its place.

        Return None on success.
        """
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
            problems = await self._start_in_turn(session)
            foreign = (
                None if any(problem for _, problem in problems) or self.layout.other else await self._foreign(session)
            )
        return foreign or next(
            (_failed(process, problem) for process, problem in problems if problem),
            None,
        )

    async def _start_in_turn(self, session: aiohttp.ClientSession) -> list[tuple[Process, str]]:
        """Start all processes at once, except a balancer without our API, which starts when its backends are ready.

        Caddy as shipped checks backends only at its start and 30 s later. If the balancer could leave the lab, its
        sockets are watched from the beginning. Return the processes that are not ready, with the reason.
        """
        last = [each for each in self.processes.values() if self.layout.other and each.spec.role is Role.LB]
        first = [each for each in self.processes.values() if each not in last]
        relays = {each.spec.address for each in self.processes.values() if each.spec.role is Role.API}
        files = [Path(each) for each in self.layout.other.files] if self.layout.other else []
        balancer = self.processes.get("lb") if self.layout.watched and not has_only_loopback() else None
        if balancer:
            self._watch = asyncio.create_task(watch(balancer, relays, files), name="watch sockets")
        problems = [*zip(first, await _start(first, session), strict=True)]
        if not any(problem for _, problem in problems):
            problems += zip(last, await _start(last, session), strict=True)
        if balancer:
            await end_if_it_leaves(balancer, relays, files)
        return [(process, process.ended_for or problem) for process, problem in problems]

    async def _foreign(self, session: aiohttp.ClientSession) -> Failed | None:
        """Return a failure if another program answers at one of the published ports, or None."""
        relays = {process.spec.address for process in self.processes.values() if process.spec.role is Role.API}
        bearer = {"Authorization": f"Bearer {self.layout.chaos_token}"}

        async def balancer() -> bool:
            async with session.get(
                f"http://{ports.LOOPBACK}:{self.layout.admin_port}/backends", allow_redirects=False
            ) as answer:
                return {each["address"] for each in (await answer.json())["backends"]} == relays

        async def chaos() -> bool:
            url = f"http://{ports.LOOPBACK}:{self.layout.chaos_port}/targets"
            async with session.get(url, headers=bearer, allow_redirects=False) as answer:
                return answer.status == 200

        for name, port, question in (
            ("lb", self.layout.admin_port, balancer),
            ("chaos", self.layout.chaos_port, chaos),
        ):
            if not await _soon(question, OURS_WITHIN_S):
                process = self.processes[name]
                problem = f"port {port} is answered by another program, not by this lab's {name}"
                return Failed(problem, "lab up again: it takes another port", tuple(process.log_tail()))
        return None

    async def scale(self, count: int) -> str:
        """Run `count` backends, each behind its relay. Return why new ones are not ready, or an empty string."""
        names = [process.spec.name for process in self.processes.values() if process.spec.role is Role.API]
        for name in names[count:]:
            await self.leave(name, STOP_GRACE_S)
        return await self._start_backends([f"api-{number}" for number in range(len(names) + 1, count + 1)])

    async def start_backend(self) -> tuple[Process, str]:
        """Start one more backend, with a name and an address that none had before.

        Return it, and why it is not ready, or an empty string.
        """
        self._backends += 1
        name = f"api-{self._backends}"
        problem = await self._start_backends([name])
        return self.processes[name], problem

    async def leave(self, name: str, grace_s: float) -> None:
        """Stop a backend, with SIGKILL after `grace_s`, then its relay, and forget both."""
        for part in (name, f"{name}-relay"):
            await self.processes.pop(part).stop(grace_s)

    async def _start_backends(self, names: Sequence[str]) -> str:
        added: list[Process] = []
        for name in names:
            relay = f"{ports.LOOPBACK}:{next(self._spare)}"
            specs = backend_specs(name, relay, self.layout, self._spare)
            added += [Process(spec, self.layout.state_dir / "logs") for spec in specs]
        self.processes.update({process.spec.name: process for process in added})
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
            return "; ".join(filter(None, await _start(added, session)))

    async def stop_all(self) -> None:
        """Stop every process; return when all have ended."""
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.gather(*(process.stop() for process in self.processes.values()))


def _failed(process: Process, problem: str) -> Failed:
    words = tuple(process.log_tail())
    step = advice(process.refusal, process.spec.ready_host, words) if process.refusal else ""
    return Failed(problem, step or f"read {process.log}", words)


async def _start(processes: Sequence[Process], session: aiohttp.ClientSession) -> list[str]:
    """Start all processes at the same time and wait until they are ready.

    Return one text for each process: why it is not ready, or an empty string.
    """

    async def ready(spec: Spec) -> Answer:
        if spec.loaded_url and not (await ask(session, spec.loaded_url)).works:
            return NOT_LOADED
        return await ask(session, spec.ready_url, spec.ready_host)

    await asyncio.gather(*(process.start() for process in processes))
    return await asyncio.gather(*(process.wait_ready(ready, READY_WITHIN_S) for process in processes))


async def supervise(
    state_dir: Path, backends: int, balancer_command: tuple[str, ...], other: Choice | None = None
) -> ExitCode:
    """Start the lab, run it until asked to stop, and stop it."""
    stop_asked = asyncio.Event()
    _stop_on_signals(stop_asked)
    lifeline = await _hold_lifeline(stop_asked)
    try:
        for start in range(STARTS_AT_MOST):
            supervisor = _prepare(state_dir, backends, balancer_command, other, stop_asked)
            failed = await _serve(supervisor)
            if failed is None:
                return ExitCode.PASS
            if stop_asked.is_set():
                return ExitCode.INTERRUPTED
            taken = _taken_by_others(supervisor)
            if not taken or start == STARTS_AT_MOST - 1:
                _say(failed)
                break
            _say(Notice(f"another program took port {taken[0]} while the lab started: starting again on other ports"))
            shutil.rmtree(state_dir / BALANCER_FOLDER, ignore_errors=True)
        return ExitCode.INTERNAL
    finally:
        lifeline.cancel()
        (state_dir / "state.json").unlink(missing_ok=True)


def _prepare(
    state_dir: Path,
    backends: int,
    balancer_command: tuple[str, ...],
    other: Choice | None,
    stop_asked: asyncio.Event,
) -> Supervisor:
    """Choose the ports and the processes to run on them."""
    spare = ports.free_ports()
    chosen = [ports.choose(published, spare) for published in ports.PUBLISHED]
    for choice in chosen:
        if choice.notice:
            _say(Notice(choice.notice))
    traffic, admin, chaos = (choice.port for choice in chosen)
    control_port = next(spare)
    layout = Layout(
        state_dir=state_dir,
        traffic_port=traffic,
        admin_port=admin,
        chaos_port=chaos,
        supervisor_url=f"http://{ports.LOOPBACK}:{control_port}",
        supervisor_token=secrets.token_urlsafe(32),
        chaos_token=secrets.token_urlsafe(32),
        misbehave_token=secrets.token_urlsafe(32),
        relay_token=secrets.token_urlsafe(32),
        admin_token=secrets.token_urlsafe(32),
        backends=backends,
        balancer_command=balancer_command,
        other=other,
    )
    log_dir = state_dir / "logs"
    log_dir.mkdir(parents=True, exist_ok=True)
    return Supervisor([Process(spec, log_dir) for spec in local_lab(layout, spare)], layout, stop_asked, spare)


async def _serve(supervisor: Supervisor) -> Failed | None:
    """Run the lab until it is asked to stop. Return why it did not start, or None if it did."""
    layout = supervisor.layout
    control_port = int(layout.supervisor_url.rpartition(":")[2])
    token = layout.supervisor_token
    try:
        async with serve(supervisor.processes, supervisor.stop_asked, control_port, token, supervisor):
            return await _run(supervisor, layout)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return Failed(f"port {control_port} (supervisor) is in use", "lab up again: it takes another port")
    finally:
        await supervisor.stop_all()


def _taken_by_others(supervisor: Supervisor) -> list[int]:
    """Return the lab's ports on which another program listens. All processes of the lab must have ended."""
    layout = supervisor.layout
    numbers = {layout.admin_port, int(layout.supervisor_url.rpartition(":")[2])}
    for process in supervisor.processes.values():
        addresses = (process.spec.address, process.spec.upstream, process.spec.control)
        numbers |= {int(each.rpartition(":")[2]) for each in addresses if each}
    return sorted(number for number in numbers if not ports.is_free(number))


async def _run(supervisor: Supervisor, layout: Layout) -> Failed | None:
    stop_asked = asyncio.create_task(supervisor.stop_asked.wait())
    starting = asyncio.create_task(supervisor.start_all())
    await asyncio.wait({stop_asked, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return Failed("the lab was stopped while it started", "lab up again")
    if failed := starting.result():
        stop_asked.cancel()
        return failed
    balancer = supervisor.processes.get("lb")
    own_url = layout.other.url if layout.other else ""
    ready = Ready(
        traffic=own_url or f"http://{ports.LOOPBACK}:{layout.traffic_port}{layout.prefix}",
        admin="" if layout.other else f"http://{ports.LOOPBACK}:{layout.admin_port}",
        chaos=f"http://{ports.LOOPBACK}:{layout.chaos_port}",
        chaos_token=layout.chaos_token,
        supervisor=layout.supervisor_url,
        supervisor_token=layout.supervisor_token,
        pid=os.getpid(),
        admin_token="" if layout.other else layout.admin_token,
        balancer=layout.other.name if layout.other else "reroute",
        balancer_pid=(balancer.report().pid or 0) if balancer else 0,
        balancer_log=str(balancer.log) if balancer else "",
        host=layout.other.host if layout.other else "",
        balancer_admin=f"{ports.LOOPBACK}:{layout.admin_port}" if layout.other and not own_url else "",
    )
    write_secret(layout.state_dir / "state.json", encode(ready))
    _say(ready)
    await stop_asked
    return None


async def _soon(holds: Callable[[], Awaitable[bool]], within_s: float) -> bool:
    """Poll until the condition holds. Return False if it does not within `within_s`. An exception counts as False."""

    async def answered() -> bool:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            return await holds()
        return False

    return await until(answered, within_s, 0.05)


async def _hold_lifeline(stop_asked: asyncio.Event) -> asyncio.Task[None]:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def hold() -> None:
        if await reader.readline() != DETACH:
            stop_asked.set()

    return asyncio.create_task(hold(), name="lifeline")


def _stop_on_signals(stop_asked: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_asked.set)
    # Closing the terminal must not stop a background lab; a foreground lab is stopped by its lifeline.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def write_secret(path: Path, text: str) -> None:
    """Write the file atomically, readable by its owner only, because it contains tokens."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _say(message: Message) -> None:
    # The reader may have ended. Then the lifeline ends too, which stops the lab.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(encode(message))
        sys.stdout.flush()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.runtime.supervisor", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="logs, ledger, journal and state.json")
    parser.add_argument("--backends", type=int, default=3)
    parser.add_argument("--balancer-cmd", default=shlex.join(OUR_BALANCER), help="another balancer; gets --config FILE")
    parser.add_argument("--other", default="", help="a balancer without our admin API: JSON of `Choice`")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the supervisor; return its exit code."""
    arguments = _arguments(argv)
    arguments.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        other = Choice.from_json(arguments.other) if arguments.other else None
        command = tuple(shlex.split(arguments.balancer_cmd))
        return asyncio.run(supervise(arguments.state_dir.resolve(), arguments.backends, command, other))
    except LabError as error:
        _say(Failed(str(error), error.next_step, tuple(error.details)))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
