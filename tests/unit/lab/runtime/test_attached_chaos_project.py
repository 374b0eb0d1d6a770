"""The compose file of the chaos service beside a user's project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lab.runtime.attached.chaos_project import Settings, compose_document
from lab.runtime.docker_lab import COMPOSE_FILE

SETTINGS = Settings("shop", ("web", "jobs"), 8000, "/healthz", "shop.example", "proxy", ("shop_back", "shop_default"))


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    """Our compose.yaml in the form of `docker compose config`, as far as the chaos service uses it."""
    document: dict[str, Any] = YAML(typ="safe").load(Path(COMPOSE_FILE).read_text())
    for name in ("chaos", "reaper"):
        service = document["services"][name]
        service["volumes"] = [
            {"target": each.split(":")[-2 if each.endswith(":ro") else -1]} for each in service["volumes"]
        ]
        service["depends_on"] = {each: {} for each in service["depends_on"]}
    return document


def test_it_joins_the_backends_networks_and_listens_on_loopback_only(ours: dict[str, Any]) -> None:
    document = compose_document(ours, SETTINGS)
    chaos = document["services"]["chaos"]
    assert set(chaos["networks"]) == {"control", "shop_back", "shop_default"}
    assert chaos["ports"] == [{"target": 8082, "host_ip": "127.0.0.1", "protocol": "tcp"}]
    assert document["networks"]["control"]["name"] < min(SETTINGS.networks)
    assert document["networks"]["shop_back"] == {"name": "shop_back", "external": True}
    assert "ports" not in document["services"]["reaper"]


def test_it_is_told_whom_it_may_fault(ours: dict[str, Any]) -> None:
    for service in compose_document(ours, SETTINGS)["services"].values():
        told = service["environment"]
        assert (told["CHAOS_PROJECT"], told["CHAOS_TARGETS"]) == ("shop", "web,jobs")
        assert (told["CHAOS_SERVICE_PORT"], told["CHAOS_HEALTH_PATH"], told["CHAOS_BALANCER"]) == (
            "8000",
            "/healthz",
            "proxy",
        )
        assert told["CHAOS_HEALTH_HOST"] == "shop.example"
        assert "CHAOS_MISBEHAVE_TOKEN_DIR" not in told


def test_it_is_as_confined_as_in_our_own_lab(ours: dict[str, Any]) -> None:
    for name, service in compose_document(ours, SETTINGS)["services"].items():
        for key in ("read_only", "cap_drop", "security_opt", "mem_limit", "pids_limit"):
            assert service[key] == ours["services"][name][key]
        assert {each["target"] for each in service["volumes"]} == {"/var/run/docker.sock", "/state"}
        assert "api" not in service.get("depends_on", {})


def test_a_backend_without_a_health_path_is_only_connected_to(ours: dict[str, Any]) -> None:
    told = compose_document(ours, Settings("shop", ("web",), 80, "tcp", "", "", ("n",)))["services"]["chaos"][
        "environment"
    ]
    assert told["CHAOS_HEALTH"] == "tcp"
    assert "CHAOS_HEALTH_PATH" not in told
