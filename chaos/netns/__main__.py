"""`python -m chaos.netns run|clear|probe` (see the package). Exits with 1 and a message if the command fails."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from ..links.impairment import Impairment
from ..links.mechanisms import ImpossibleError
from . import helper
from .commands import CommandError


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="chaos.netns", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("clear")
    commands.add_parser("probe")
    run = commands.add_parser("run")
    run.add_argument("--impairment", required=True, metavar="JSON")
    flags = parser.parse_args()
    try:
        _do(flags)
    except (CommandError, ImpossibleError, OSError, ValueError) as error:
        print(f"netns: {error}", file=sys.stderr)  # noqa: T201 - read by the chaos service
        return 1
    return 0


def _do(flags: argparse.Namespace) -> None:
    match flags.command:
        case "clear":
            helper.clear()
        case "probe":
            helper.probe()
        case _:
            impairment = Impairment.from_json(json.loads(flags.impairment))
            asyncio.run(_run(impairment))


async def _run(impairment: Impairment) -> None:
    await helper.Helper().run(impairment)


if __name__ == "__main__":
    sys.exit(main())
