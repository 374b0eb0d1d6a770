"""disconnect: the container leaves its networks, and joins them again with the same names.

It gets the same addresses if the network's subnet is configured; otherwise Docker assigns new ones. On open connections
nothing arrives any more.
"""

from __future__ import annotations

from ..drivers.targets import Disconnectable, Injection
from .base import Before, Layer, NoParams, Support, Verdict
from .bound import Bound, Family, Look


class Disconnect:
    """Disconnect the container from its networks."""

    kind = "disconnect"
    summary = "nothing arrives on open connections, packets of new ones are dropped, the name does not resolve"
    past = "was disconnected from its network"
    layer = Layer.CUT
    bound = Bound(Look(Family.CUT_OFF))
    needs = Disconnectable
    params = NoParams
    support = Support(
        {"docker": "docker network"}, lacking="a network for each process (blackhole looks the same to the balancer)"
    )

    async def inject(self, target: Disconnectable, params: NoParams, duration_s: float) -> Injection:
        return await target.disconnect()

    async def verify(self, target: Disconnectable, params: NoParams, before: Before) -> Verdict:
        networks = await target.networks()
        answer = await before.ask_again()
        silent = answer.failure in ("timeout", "connect_timeout", "unreachable")
        bit = before.answer.ok and not networks and silent
        return Verdict(bit, f"networks: {', '.join(networks) or 'none'}; direct probe: {answer}")

    async def heal(self, target: Disconnectable) -> None:
        await target.reconnect()


FAULT = Disconnect()
