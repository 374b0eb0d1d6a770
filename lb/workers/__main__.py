"""A worker process: `python -m lb.workers FD`, started by the balancer and by nobody else."""

from __future__ import annotations

import asyncio
import socket
import sys

from ..config.policy_extensions import add_policies
from ..errors import StartError
from ..process.event_loop import loop_factory
from ..telemetry.log_writer import Lines
from .messages import Link
from .worker import Worker


def main() -> int:
    """Serve until told to stop; the exit code says whether that went well."""
    lines = Lines(whole=True)
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


async def _serve(descriptor: int, lines: Lines) -> None:
    link = await Link.over(socket.socket(fileno=descriptor))
    try:
        begin = await link.receive()
    except EOFError:  # the parent died in between
        return
    await Worker(begin, link, lines).run()


if __name__ == "__main__":
    sys.exit(main())
