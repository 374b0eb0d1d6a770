"""`python -m tests.support.noop_chaos`: the chaos service with faults that do nothing; it still verifies them."""

from __future__ import annotations

import sys
import time
from typing import Any

from chaos.__main__ import main
from chaos.drivers.targets import Injection
from chaos.faults import FAULTS


async def do_nothing(self: Any, target: Any, params: Any, duration_s: float) -> Injection:
    """Claims to have injected."""
    return Injection(time.monotonic(), "none")


if __name__ == "__main__":
    for fault in FAULTS.values():
        type(fault).inject = do_nothing
    sys.exit(main())
