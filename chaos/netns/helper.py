"""One impairment in this network namespace, from READY to the removal of its rules."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from chaos.impairment import Impairment
from chaos.netns import firewall, netem
from chaos.netns.commands import CommandError
from chaos.netns.nfqueue import Queue, Scheduler

READY = "READY "
"""The line that tells the chaos service that the rules are in, followed by JSON: mechanism, missing, mono."""


@dataclass(frozen=True, slots=True)
class Installed:
    """How the impairment is done, why not better, and how to end it."""

    mechanism: str
    missing: str | None
    remove: Callable[[], None]


async def run(impairment: Impairment, port: int, mechanism: str) -> None:
    """Impair until SIGTERM or the end of the duration. Raises CommandError or OSError where neither mechanism works."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    clear()
    installed = install(impairment, port, mechanism)
    try:
        say(mechanism=installed.mechanism, missing=installed.missing, mono=time.monotonic())
        async with asyncio.timeout(impairment.duration_s):
            await stop.wait()
    except TimeoutError:
        return
    finally:
        installed.remove()


def install(impairment: Impairment, port: int, mechanism: str) -> Installed:
    """Choose: netem where the kernel offers it, unless another one is asked for."""
    match impairment.kind:
        case "blackhole":
            firewall.drop(port)
            return Installed("iptables DROP", None, firewall.clear)
        case "refuse":
            firewall.reset(port)
            return Installed("iptables REJECT", None, firewall.clear)
    if mechanism == "nfqueue":
        return _install_nfqueue(impairment, port, None)
    try:
        netem.install(impairment, port)
    except CommandError as error:
        if mechanism == "netem":
            raise
        missing = "sch_netem" if not netem.is_possible() else str(error)
        return _install_nfqueue(impairment, port, missing)
    return Installed("netem", None, netem.clear)


def _install_nfqueue(impairment: Impairment, port: int, missing: str | None) -> Installed:
    scheduler = Scheduler(Queue(firewall.QUEUE), impairment, Random())

    def remove() -> None:
        firewall.clear()
        scheduler.close()

    try:
        firewall.queue_answers(port)
    except CommandError:
        remove()
        raise
    return Installed("nfqueue", missing, remove)


def clear() -> None:
    """Remove whatever a helper left behind that was killed."""
    firewall.clear()
    netem.clear()


def probe() -> None:
    """Say what this kernel offers, in a namespace of our own."""
    say(
        netem=netem.is_possible(),
        nfqueue=_offers(firewall.queue_answers),
        drop=_offers(firewall.drop),
        reset=_offers(firewall.reset),
    )


def _offers(rule: Callable[[int], None]) -> bool:
    try:
        rule(1)
    except CommandError:
        return False
    finally:
        firewall.clear()
    return True


def say(**facts: Any) -> None:
    """One line for the chaos service."""
    sys.stdout.write(READY + json.dumps(facts) + "\n")
    sys.stdout.flush()
