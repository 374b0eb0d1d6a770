"""Base class of the actions on one backend: a change through the admin API, which is reversed afterwards."""

from __future__ import annotations

import asyncio

from .base import BaseAction, Call, Json, Needs, OperatedLab


class Adjustment(BaseAction):
    """Changes a backend for some time."""

    needs = Needs.ADMIN
    on_backend = True

    def change(self, call: Call) -> Json:
        """Return the body of the change."""
        raise NotImplementedError

    def back(self, call: Call, lab: OperatedLab) -> Json:
        """Return the body of the change that undoes it."""
        return {"state": "up"}

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        force = {"force": True} if call.force else {}
        try:
            for backend_id in call.backends:
                await lab.adjust(backend_id, self.change(call) | force)
            await asyncio.sleep(call.duration_s)
        finally:
            for backend_id in call.backends:
                await lab.adjust(backend_id, self.back(call, lab))
