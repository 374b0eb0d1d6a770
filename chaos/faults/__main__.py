"""`python -m chaos.faults`: print the declarations of all fault kinds, including those of other packages, as JSON."""

from __future__ import annotations

import json
import logging
import sys

from . import FAULTS
from .extensions import NameTakenError, add_extensions
from .published import document


def main() -> int:
    """Entry point. Packages whose fault kind cannot be loaded are named on stderr."""
    logging.basicConfig(level=logging.WARNING, format="chaos: %(message)s")
    try:
        add_extensions(FAULTS)
    except NameTakenError as error:
        sys.stderr.write(f"chaos: {error.detail}\n  next: {error.next_step}\n")
        return error.exit_code
    json.dump(document(FAULTS.values()), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
