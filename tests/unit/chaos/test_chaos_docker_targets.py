"""What a container refuses before anything is begun, against a client that knows its members and nothing else."""

from __future__ import annotations

from typing import Any, cast

import pytest

from chaos.drivers.docker_client import DockerClient
from chaos.drivers.docker_targets import DockerTarget, Lab
from chaos.drivers.netns_helper import NetnsHelpers
from chaos.drivers.probe import Health
from chaos.errors import BadRequestError, NotPossibleError
from chaos.links.impairment import Impairment

MIB = 1 << 20
SUMMARY = {"Id": "c1", "Labels": {"com.docker.compose.service": "api", "com.docker.compose.container-number": "1"}}
OFFERS = {"netem": False, "htb": True, "nfqueue": True, "drop": True, "reset": True}


async def anywhere() -> None:
    return None


async def members() -> dict[str, dict[str, Any]]:
    networks = {"lab": {"IPAddress": "10.0.0.2", "GlobalIPv6Address": ""}}
    return {"lb-1": {"Labels": {"com.docker.compose.service": "lb"}, "NetworkSettings": {"Networks": networks}}}


@pytest.fixture
def target() -> DockerTarget:
    client = cast(DockerClient, None)  # whoever asks it fails
    helpers = NetnsHelpers(client, "image", "own")
    helpers._offers = dict(OFFERS)
    lab = Lab(members, anywhere, str, Health(), "lb", foreign=False)
    return DockerTarget(client, helpers, SUMMARY, "api-1", 8000, lab)


@pytest.mark.parametrize(
    ("had", "limit", "error", "why"),
    [
        (0, 64 * MIB, NotPossibleError, "has no memory limit"),
        (64 * MIB, 64 * MIB, BadRequestError, "params.limit.*already"),
        (64 * MIB, 65 * MIB, BadRequestError, "params.limit.*already"),
    ],
)
def test_a_memory_limit_can_only_be_lowered(
    target: DockerTarget, had: int, limit: int, error: type[Exception], why: str
) -> None:
    target.keep({"memory": had})
    with pytest.raises(error, match=why):
        target.check_memory(limit)


def test_a_lower_memory_limit_is_possible(target: DockerTarget) -> None:
    target.keep({"memory": 64 * MIB})
    target.check_memory(32 * MIB)


async def test_the_mechanism_is_known_before_anything_is_begun(target: DockerTarget) -> None:
    assert await target.preview_mechanism(Impairment("delay", 1.0, delay_s=0.1)) == "nfqueue"
    assert await target.preview_mechanism(Impairment("bandwidth", 1.0, rate_bit_s=1e6, peers=("balancer",))) == "htb"


async def test_a_mechanism_that_the_kernel_lacks_is_refused_with_the_other_one(target: DockerTarget) -> None:
    with pytest.raises(NotPossibleError, match="lacks sch_netem") as refused:
        await target.preview_mechanism(Impairment("delay", 1.0, delay_s=0.1, mechanism="netem"))
    assert refused.value.possible == ["mechanism: nfqueue"]


async def test_a_peer_that_is_no_member_is_refused_with_those_that_are(target: DockerTarget) -> None:
    with pytest.raises(BadRequestError, match="called 'nobody'") as refused:
        await target.preview_mechanism(Impairment("delay", 1.0, delay_s=0.1, peers=("nobody",)))
    assert refused.value.possible == ["balancer", "lb", "lb-1"]


async def test_the_target_is_no_peer_of_its_own(target: DockerTarget) -> None:
    with pytest.raises(BadRequestError, match="the target itself"):
        await target.preview_mechanism(Impairment("partition", 1.0, peers=("api-1",)))
