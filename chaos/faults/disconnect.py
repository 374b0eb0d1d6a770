"""disconnect: the container leaves its networks, and joins them again with the same names (and addresses, where the
network's subnet is configured: Docker assigns others only anew). Open connections fall silent."""

from __future__ import annotations

from ..drivers.probe import ask
from ..drivers.targets import Disconnectable, Injection
from .base import SILENCE_S, Before, Layer, NoParams, Verdict


class Disconnect:
    """Take the network away."""

    kind = "disconnect"
    layer = Layer.CUT
    needs = Disconnectable
    params = NoParams
    mechanism = None

    async def inject(self, target: Disconnectable, params: NoParams, duration_s: float) -> Injection:
        return await target.disconnect()

    async def verify(self, target: Disconnectable, params: NoParams, before: Before) -> Verdict:
        networks = await target.networks()
        answer = await ask(before.address, timeout_s=SILENCE_S)
        silent = answer.failure in ("timeout", "connect_timeout", "unreachable")
        bit = before.answer.ok and not networks and silent
        return Verdict(bit, f"networks: {', '.join(networks) or 'none'}; direct probe: {answer}")

    async def heal(self, target: Disconnectable) -> None:
        await target.reconnect()
