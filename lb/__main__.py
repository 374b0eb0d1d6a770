"""`python -m lb [--config FILE] [--check]`: run the balancer."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from .config.file_reader import DEFAULT, load
from .config.schema import Config
from .errors import ConfigError, StartError
from .extensions import add_policies
from .process.runtime import loop_factory, raise_open_files_limit
from .process.wiring import certificates_of
from .service import Service
from .telemetry.log_writer import LogWriter


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise ConfigError, for one line and exit code 254 instead of argparse's usage text and 2."""
        raise ConfigError([message])


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments, check the configuration, run. Return 0, 254 (arguments, configuration) or 255 (host)."""
    try:
        options = _parser().parse_args(arguments)
        add_policies()
        reread = partial(load, options.config, dict(os.environ))
        config = reread()
        if options.check:
            certificates_of(config)
        else:
            _run(config, reread)
    except StartError as error:
        sys.stderr.writelines(f"lb: {line}\n" for line in str(error).splitlines())
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="lb", description="The Reroute balancer.")
    default = Path(os.environ.get("LB_CONFIG") or DEFAULT)
    parser.add_argument(
        "--config", type=Path, default=default, help="YAML file; default: $LB_CONFIG, else built-in settings"
    )
    parser.add_argument("--check", action="store_true", help="check the configuration and exit")
    return parser


def _run(config: Config, reread: Callable[[], Config]) -> None:
    raise_open_files_limit()
    lines = LogWriter()
    lines.start()
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(config, lines, reread))
    finally:
        lines.close()


async def _serve(config: Config, lines: LogWriter, reread: Callable[[], Config]) -> None:
    await Service(config, lines, reread).run()


if __name__ == "__main__":
    sys.exit(main())
