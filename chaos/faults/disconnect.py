"""disconnect: the container leaves its networks, and joins them again with the same names.

It gets the same addresses where the network's subnet is configured; elsewhere Docker assigns new ones. Open connections
fall silent.
"""

from __future__ import annotations

from ..drivers.probe import ask
from ..drivers.targets import Disconnectable, Injection
from .base import SILENCE_S, Before, Layer, NoParams, Support, Verdict
from .bound import Bound, Family, Look


class Disconnect:
    """Take the container off its networks."""

    kind = "disconnect"
    summary = "open connections fall silent, packets of new ones are dropped, the name does not resolve"
    layer = Layer.CUT
    bound = Bound(Look(Family.CUT_OFF))
    needs = Disconnectable
    params = NoParams
    support = Support("docker network", lacking="a network for each process (blackhole looks the same to the balancer)")

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


FAULT = Disconnect()
