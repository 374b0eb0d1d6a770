"""`python -m tests.mutants NAME -- ARGUMENTS`: plant the bug, then run the balancer's own main."""

from __future__ import annotations

import sys
from importlib import import_module

from lb.__main__ import main

if __name__ == "__main__":
    name, separator, *arguments = sys.argv[1:]
    if separator != "--":
        sys.exit("usage: python -m tests.mutants NAME -- ARGUMENTS OF THE BALANCER")
    import_module(f"tests.mutants.{name}").plant()
    sys.exit(main(arguments))
