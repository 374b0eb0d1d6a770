"""Entry point of the `lab` command.

Exit codes: 0 pass, 1 fail, 2 unknown, 130 interrupted, 141 output closed, 254 bad arguments, 255 environment problem.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130
"""Same as `lab.errors.ExitCode.INTERRUPTED`, which cannot be imported here: see `main`."""


def main() -> int:
    """Run the command line and return its exit code.

    The lab is imported inside the `try`, so that Ctrl-C during the import is handled as an interruption, too.
    """
    try:
        _remove_current_folder_from_search_path()
        from .cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:  # typer returns this code after a KeyboardInterrupt, without a message
        sys.stderr.write("lab: interrupted; everything that this command started has been stopped\n")
    return code


def _remove_current_folder_from_search_path() -> None:
    """Prevent imports of modules such as `typing.py` or `rich/` from the current folder.

    `python -m lab` puts that folder first on the search path.
    """
    try:
        current = os.path.realpath(os.getcwd())
    except OSError:  # the folder has been removed
        return
    source_tree = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if current != source_tree:  # needed on the path if the lab is not installed
        sys.path[:] = [each for each in sys.path if each and os.path.realpath(each) != current]


if __name__ == "__main__":
    sys.exit(main())
