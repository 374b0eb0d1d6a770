"""Notices when the host stands still: a slow answer then says more about the machine than about the balancer.

The idea is jHiccup's: something that only sleeps and wakes up, at ordinary priority, is late when everything is.
"""

from __future__ import annotations

import asyncio

from lab.recorder import Recorder

PERIOD_S = 0.02
NOTICEABLE_S = 0.05
"""A fifth of the default threshold for slow answers; ordinary scheduling on a loaded host stays below it."""


async def watch_host(recorder: Recorder) -> None:
    """Note a `stall` (`since`, `late_s`) whenever waking up took noticeably longer than asked. Runs for ever."""
    while True:
        asleep = recorder.clock.now()
        await asyncio.sleep(PERIOD_S)
        late_s = recorder.clock.now() - asleep - PERIOD_S
        if late_s > NOTICEABLE_S and asleep > 0.0:
            recorder.note("stall", {"since": round(asleep, 6), "late_s": round(late_s, 6)})
