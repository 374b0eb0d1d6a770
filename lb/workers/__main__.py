"""`python -m lb.workers FD`: a worker process. Only the balancer starts it. FD is the worker's end of a socket pair."""

from __future__ import annotations

import asyncio
import socket
import sys

from ..errors import StartError
from ..extensions import add_policies
from ..process.runtime import loop_factory
from ..telemetry.log_writer import LogWriter
from .messages import MessageChannel
from .worker import Worker


def main() -> int:
    """Serve until the parent sends Stop. Return the exit code."""
    lines = LogWriter(atomic=True)
    lines.start()
    try:
        add_policies()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(int(sys.argv[1]), lines))
    except StartError as error:
        sys.stderr.writelines(f"lb worker: {line}\n" for line in str(error).splitlines())
        return error.exit_code
    finally:
        lines.close()
    return 0


async def _serve(descriptor: int, lines: LogWriter) -> None:
    channel = await MessageChannel.open(socket.socket(fileno=descriptor))
    try:
        start = await channel.receive()
    except EOFError:  # the parent has ended
        return
    await Worker(start, channel, lines).run()


if __name__ == "__main__":
    sys.exit(main())
