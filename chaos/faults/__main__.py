"""`python -m chaos.faults`: print the declarations of all fault kinds as JSON, those of other packages included."""

from __future__ import annotations

import json
import sys

from . import FAULTS
from .published import document


def main() -> int:
    """Entry point."""
    json.dump(document(FAULTS.values()), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
