"""scale: the lab runs another number of backends; afterwards the former number."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from ..identity import in_use
from .base import BaseAction, Call, Needs, OperatedLab, wait_for


class Scale(BaseAction):
    """Change the number of backends."""

    name = "scale"
    summary = "the lab runs another number of backends"
    needs = Needs.RUNTIME
    value_field: Literal["to"] = "to"

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        began = time.monotonic()
        try:
            await self._resize(lab, int(call.value))
            await asyncio.sleep(max(0.0, call.duration_s - (time.monotonic() - began)))
        finally:
            await self._resize(lab, len(lab.targets))

    async def _resize(self, lab: OperatedLab, count: int) -> None:
        """Scale, and record the backends that leave, because their checks may fail before the balancer knows."""
        known, began = await lab.identities(), lab.now()
        await lab.scale(count)

        async def missing() -> str:
            rows = await lab.backends()
            if len(rows) == count and all(map(in_use, rows)):
                return ""
            states = ", ".join(f"{row['id']} {row['state']}" for row in rows)
            return f"the balancer does not use {count} backends: {states}"

        await wait_for(missing)
        left = await lab.identities()
        for name in sorted(set(known) - set(left)):
            record = lab.disruption(name, known[name], "scaled down", name="leave", began=began)
            now = lab.now()
            record |= {"heal_started_mono": now, "healed_mono": now, "bit": True, "evidence": "it is gone"}


ACTION = Scale()
