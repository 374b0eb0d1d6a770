"""`lab`, the command line. Exit codes: 0 pass, 1 fail, 2 unknown, 130 interrupted, 254 arguments, 255 environment."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""`lab.errors.ExitCode.INTERRUPTED`, here without an import: see `main`."""


def main() -> int:
    """Run the command line; answers the exit code.

    Nothing is imported before the `try`: Ctrl-C while the interpreter loads the lab is an interruption like any other.
    """
    try:
        from lab.cli.app import run  # see above

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:  # typer makes this code of a KeyboardInterrupt, and says nothing
        sys.stderr.write("lab: interrupted; everything that this command started has been stopped\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
