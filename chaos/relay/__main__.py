"""`python -m chaos.relay --listen HOST:PORT --upstream HOST:PORT --control HOST:PORT`.

The control port's token is in CHAOS_RELAY_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys

from .control import control_app, serving
from .listener import Address
from .relay import Relay

TOKEN = "CHAOS_RELAY_TOKEN"
"""Environment variable with the bearer token. Not an option: all users of a host can read command lines."""


def address(text: str) -> Address:
    """Parse `host:port` or `[v6]:port`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


async def serve(listen: Address, upstream: Address, control: Address, token: str) -> None:
    """Relay until SIGTERM or SIGINT."""
    relay = Relay(listen, upstream)
    async with serving(control_app(relay, token), *control):
        running = asyncio.ensure_future(relay.run())
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await running


def main() -> int:
    """Entry point. Return 254 without a token, 255 if a port is in use."""
    parser = argparse.ArgumentParser(prog="chaos.relay", description=__doc__)
    for flag in ("--listen", "--upstream", "--control"):
        parser.add_argument(flag, type=address, required=True, metavar="HOST:PORT")
    flags = parser.parse_args()
    token = os.environ.get(TOKEN, "")
    if not token:
        print(f"relay: {TOKEN}='': expected the token of the control port", file=sys.stderr)  # noqa: T201 - as below
        return 254
    try:
        asyncio.run(serve(flags.listen, flags.upstream, flags.control, token))
    except OSError as error:
        print(f"relay: {error}", file=sys.stderr)  # noqa: T201 - a command's error message
        return 255
    return 0


if __name__ == "__main__":
    sys.exit(main())
