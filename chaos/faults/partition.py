"""partition: the target and its `peer` side no longer hear each other, on any port; everybody else is heard by both."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from ..drivers.targets import LinkTarget
from ..links.impairment import Impairment
from .base import Before, Layer, Params, Verdict
from .link_fault import EVERYBODY, LinkFault

ANY_PORT = 0


def _other_side(peer: str) -> str:
    if peer in ("", EVERYBODY):
        raise ValueError("expected balancer or names of members; blackhole is for everybody")
    return peer


class PartitionParams(Params):
    """`peer`: the other side, `balancer` or members' names with commas between."""

    peer: Annotated[str, AfterValidator(_other_side)]


class Partition(LinkFault):
    """Drop what goes between two sets."""

    kind = "partition"
    layer = Layer.CUT
    params = PartitionParams

    def impairment(self, params: PartitionParams, duration_s: float) -> Impairment:
        peers = tuple(name.strip() for name in params.peer.split(","))
        return Impairment("partition", duration_s, direction="both", port=ANY_PORT, peers=peers)

    async def verify(self, target: LinkTarget, params: PartitionParams, before: Before) -> Verdict:
        """We are on neither side: only counters can show it."""
        return await self.read_back(target)
