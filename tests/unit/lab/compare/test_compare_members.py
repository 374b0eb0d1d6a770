"""The contest names backends as the chaos service does: the two packages share no code, so this holds them together."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from chaos.drivers.container_networks import ips
from chaos.drivers.members import MOST_NUMBER, MOST_PORT, Members
from chaos.drivers.probe import host_port
from lab.compare import docker_containers
from lab.compare.docker_containers import DEFAULT_PORT, backends
from lab.errors import EnvironmentProblemError

PROJECT = "reroute-compare-1"
PREFIX = "com.docker.compose."


def container(
    id_: str, number: str | None = "1", four: str = "10.0.0.2", six: str = "", **labels: str
) -> dict[str, Any]:
    """As the engine inspects it."""
    named = {f"{PREFIX}project": PROJECT, f"{PREFIX}service": "api", f"{PREFIX}oneoff": "False"}
    if number is not None:
        named[f"{PREFIX}container-number"] = number
    replace = {f"{PREFIX}replace": labels.pop("replace")} if "replace" in labels else {}
    port = {"reroute.port": labels.pop("port")} if "port" in labels else {}
    network = {"IPAddress": four, "GlobalIPv6Address": six}
    return {
        "Id": id_,
        "Name": f"/{id_}",
        "Config": {"Labels": named | replace | port | labels},
        "NetworkSettings": {"Networks": {f"{PROJECT}_traffic": network}},
    }


FLEETS = {
    "three": [container("a"), container("b", "2", "10.0.0.3"), container("c", "3", "10.0.0.4")],
    "a one-off": [container("a"), container("run", "1", "10.0.0.9", **{f"{PREFIX}oneoff": "True"})],
    "no number": [container("a"), container("left", None, "10.0.0.9")],
    "bad numbers": [
        container(f"n{at}", text) for at, text in enumerate(("abc", "0", "-1", "+1", "", "9" * 9, "\u0661"))
    ],
    "a leading zero": [container("a", "01")],
    "two that run": [container("a"), container("b")],
    "one replaced by id": [container("old"), container("new", four="10.0.0.7", replace="old")],
    "a port": [container("a", port="81")],
    "bad ports": [container("a", port="x"), container("b", "2", port="65536"), container("c", "3", port="0")],
    "IPv6 only": [container("a", four="", six="fd00::2")],
    "no address": [container("a", four=""), container("b", "2")],
}


def told_by_chaos(fleet: Sequence[dict[str, Any]]) -> dict[str, str] | None:
    """The same containers as the engine lists them; None where a name is disputed."""
    rule = Members()
    listed = [
        {
            "Id": each["Id"],
            "Names": [each["Name"]],
            "Labels": each["Config"]["Labels"],
            "State": "running",
            "whole": each,
        }
        for each in fleet
    ]
    members, refused = rule.current(listed)
    found = {
        rule.name(each): host_port(found_ips[0], rule.port(each, DEFAULT_PORT))
        for each in members
        if (found_ips := ips(each["whole"]))
    }
    return None if refused else found


@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS)
def test_a_contest_finds_what_the_chaos_service_finds(
    fleet: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine(arguments: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        """Filters by label, as the engine does."""
        filters = [each.removeprefix("label=").split("=", 1) for each in arguments if each.startswith("label=")]
        shown = [each for each in fleet if all(each["Config"]["Labels"].get(key) == value for key, value in filters)]
        ids = "\n".join(each["Id"] for each in shown)
        out = ids if arguments[0] == "ps" else json.dumps([each for each in fleet if each["Id"] in arguments])
        return subprocess.CompletedProcess([], 0, out, "")

    monkeypatch.setattr(docker_containers, "docker", engine)
    expected = told_by_chaos(fleet)
    if expected is None:
        with pytest.raises(EnvironmentProblemError, match="api-1 is the name of several containers: a and b"):
            backends(PROJECT)
    else:
        assert backends(PROJECT) == expected


def test_the_bounds_are_the_same() -> None:
    assert (docker_containers.MOST_NUMBER, docker_containers.MOST_PORT) == (MOST_NUMBER, MOST_PORT)
