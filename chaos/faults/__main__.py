"""`python -m chaos.faults`: print the declarations of all fault kinds as JSON, those of other packages included."""

from __future__ import annotations

import json
import logging
import sys

from . import FAULTS
from .extensions import NameTakenError, add_extensions
from .published import document


def main() -> int:
    """Entry point. Packages that are left out are named on stderr."""
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
