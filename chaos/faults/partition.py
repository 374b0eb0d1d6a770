"""partition: the target and the members in `peer` cannot reach each other on any port. Both reach all other members."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from ..drivers.targets import LinkTarget
from .base import Before, Layer, Params, Verdict
from .bound import Bound, Family, Look
from .link_fault import EVERYBODY, LinkFault, peer_names

ANY_PORT = 0
NO_SIDE = ("", EVERYBODY)


def _other_side(peer: str) -> str:
    if peer in NO_SIDE:
        raise ValueError("expected balancer or names of members; for all peers use blackhole")
    return peer


class PartitionParams(Params):
    """Parameters of the fault `partition`."""

    peer: Annotated[str, AfterValidator(_other_side)] = Field(
        examples=["balancer"], json_schema_extra={"not": {"enum": list(NO_SIDE)}}
    )
    """`balancer`, or names of members with commas between."""


class Partition(LinkFault):
    """Drop all packets between two sets of members."""

    kind = effect = "partition"
    summary = "as `blackhole`, for one peer only"
    past = "was cut off from some members"
    layer = Layer.CUT
    bound = Bound(Look(Family.CUT_OFF, "the backend and the balancer are on different sides"))
    params = PartitionParams

    def effects(self, params: PartitionParams) -> dict[str, Any]:
        return {"direction": "both", "port": ANY_PORT, "peers": peer_names(params.peer)}

    async def verify(self, target: LinkTarget, params: PartitionParams, before: Before) -> Verdict:
        """Read the mechanism's counters, because the chaos service's own probes are not affected."""
        return await self.read_back(target)


FAULT = Partition()
