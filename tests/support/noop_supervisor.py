"""`python -m tests.support.noop_supervisor`: a local lab whose chaos service injects nothing."""

from __future__ import annotations

import sys
from dataclasses import replace

from lab.runtime import topology
from lab.runtime.supervisor import main

if __name__ == "__main__":
    chaos = topology._chaos
    topology._chaos = lambda layout: replace(chaos(layout), command=(sys.executable, "-m", "tests.support.noop_chaos"))
    sys.exit(main())
