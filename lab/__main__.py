"""`lab`, the command line. Exit codes: 0 pass, 1 fail, 2 unknown, 130 interrupted, 254 arguments, 255 environment."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; answers the exit code.

    Nothing is imported before the `try`: Ctrl-C while the interpreter loads the lab is an interruption like any other.
    """
    try:
        from lab.cli.app import run  # see above

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted; everything that this command started has been stopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
