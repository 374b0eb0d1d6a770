from __future__ import annotations

from typing import Any

import pytest

from chaos.drivers.peers import addresses
from chaos.errors import BadRequestError


def member(service: str, *networks: tuple[str, str]) -> dict[str, Any]:
    """As Docker sums a container up: IPv4 and IPv6 in each of its networks."""
    return {
        "Labels": {"com.docker.compose.service": service},
        "NetworkSettings": {
            "Networks": {
                f"net{index}": {"IPAddress": four, "GlobalIPv6Address": six}
                for index, (four, six) in enumerate(networks)
            }
        },
    }


LAB = {
    "api-1": member("api", ("10.0.0.9", "fd00::9")),
    "api-2": member("api", ("10.0.0.10", ""), ("10.1.0.10", "")),
    "api-3": member("api", ("", "")),  # not running
    "lb-1": member("lb", ("10.0.0.2", "fd00::2")),
}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["api-1"], ("10.0.0.9", "fd00::9")),
        (["api-2"], ("10.0.0.10", "10.1.0.10")),
        (["balancer"], ("10.0.0.2", "fd00::2")),
        (["lb"], ("10.0.0.2", "fd00::2")),
        (["lb-1", "balancer"], ("10.0.0.2", "fd00::2")),
        (["api"], ("10.0.0.9", "10.0.0.10", "10.1.0.10", "fd00::9")),
        ([], ()),
    ],
)
def test_names_roles_and_the_balancer_become_addresses_of_both_versions(
    names: list[str], found: tuple[str, ...]
) -> None:
    assert set(addresses(names, LAB)) == set(found)
    assert len(addresses(names, LAB)) == len(found)


def test_the_order_of_addresses_does_not_depend_on_the_order_of_names() -> None:
    assert addresses(["lb", "api"], LAB) == addresses(["api", "lb"], LAB)


def test_a_name_means_its_member_and_a_role_its_service_whatever_else_is_called_so() -> None:
    lab = LAB | {"api-1-1": member("api-1", ("10.0.0.77", "")), "balancer-1": member("balancer", ("10.0.0.88", ""))}
    assert addresses(["api-1"], lab) == ("10.0.0.9", "fd00::9")
    assert addresses(["api-1-1"], lab) == ("10.0.0.77",)
    assert addresses(["balancer"], lab) == ("10.0.0.88",)
    assert addresses(["lb"], lab) == ("10.0.0.2", "fd00::2")


@pytest.mark.parametrize("name", ["api-3", "api-9", "", "API-1", "10.0.0.9", "all"])
def test_a_name_that_no_running_member_has_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(BadRequestError, match=f"called {name!r}") as refused:
        addresses(["api-1", name], LAB)
    assert {"api", "api-1", "api-2", "lb", "lb-1", "balancer"} <= set(refused.value.possible)
    assert "api-3" not in refused.value.possible
