"""`python -m chaos.relay --listen HOST:PORT --upstream HOST:PORT --control HOST:PORT`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys

from aiohttp import web

from .control import control_app
from .listener import Address
from .relay import Relay


def address(text: str) -> Address:
    """Parse `host:port` or `[v6]:port`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


async def serve(listen: Address, upstream: Address, control: Address) -> None:
    """Relay until SIGTERM or SIGINT."""
    relay = Relay(listen, upstream)
    runner = web.AppRunner(control_app(relay), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, *control).start()
    running = asyncio.ensure_future(relay.run())
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, running.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
    finally:
        await runner.cleanup()


def main() -> int:
    """Entry point. Exit 255 where a port is taken."""
    parser = argparse.ArgumentParser(prog="chaos.relay", description=__doc__)
    for flag in ("--listen", "--upstream", "--control"):
        parser.add_argument(flag, type=address, required=True, metavar="HOST:PORT")
    flags = parser.parse_args()
    try:
        asyncio.run(serve(flags.listen, flags.upstream, flags.control))
    except OSError as error:
        print(f"relay: {error}", file=sys.stderr)  # noqa: T201 - a command's error message
        return 255
    return 0


if __name__ == "__main__":
    sys.exit(main())
