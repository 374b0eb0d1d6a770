"""`lab`, the command line. Exit codes: 0 pass, 1 fail, 2 unknown, 130 interrupted, 141 nobody reads the output,
254 arguments, 255 environment."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130
"""`lab.errors.ExitCode.INTERRUPTED`, here without an import: see `main`."""


def main() -> int:
    """Run the command line; answers the exit code.

    Nothing is imported before the `try`: Ctrl-C while the interpreter loads the lab is an interruption like any other.
    """
    try:
        _import_nothing_from_here()
        from .cli.app import run  # see above

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:  # typer makes this code of a KeyboardInterrupt, and says nothing
        sys.stderr.write("lab: interrupted; everything that this command started has been stopped\n")
    return code


def _import_nothing_from_here() -> None:
    """`python -m lab` puts the current folder first on the search path, where a `typing.py` or `rich/` may lie."""
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it has been removed
        return
    ours = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if here != ours:  # a source tree that is not installed
        sys.path[:] = [each for each in sys.path if each and os.path.realpath(each) != here]


if __name__ == "__main__":
    sys.exit(main())
