from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.runtime.topology import Layout, Role, Spec, local_lab


def layout_in(tmp_path: Path) -> Layout:
    return Layout(
        state_dir=tmp_path,
        traffic_port=8080,
        admin_port=8081,
        chaos_port=8082,
        supervisor_url="http://127.0.0.1:7000",
        supervisor_token="of the supervisor",
        chaos_token="of chaos",
        misbehave_token="of orders, 16 or more",
        relay_token="of the relays",
        admin_token="of the balancer",
        backends=3,
    )


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, Spec]:
    layout = layout_in(tmp_path)
    return {spec.name: spec for spec in local_lab(layout, itertools.count(20000))}


def test_every_backend_stands_behind_a_relay(specs: dict[str, Spec]) -> None:
    for number in (1, 2, 3):
        backend, relay = specs[f"api-{number}"], specs[f"api-{number}-relay"]
        assert backend.address == relay.address != backend.upstream
        assert backend.upstream == relay.upstream
        assert backend.control == relay.control


def test_the_balancer_knows_the_relays_not_the_backends(specs: dict[str, Spec], tmp_path: Path) -> None:
    config = json.loads((tmp_path / "lb.yaml").read_text())
    known = {each["id"]: each["address"] for each in config["discovery"]["backends"]}
    assert known == {name: specs[name].address for name in ("api-1", "api-2", "api-3")}


def test_no_address_is_given_twice(specs: dict[str, Spec]) -> None:
    listened = [specs[name].address for name in ("lb", "chaos", "api-1-relay", "api-2-relay", "api-3-relay")]
    listened += [spec.upstream for spec in specs.values() if spec.role is Role.API and spec.upstream]
    listened += [spec.control for spec in specs.values() if spec.role is Role.RELAY and spec.control]
    assert len(set(listened)) == len(listened) == 11


def test_only_backends_stay_dead(specs: dict[str, Spec]) -> None:
    assert {name for name, spec in specs.items() if not spec.restarted} == {"api-1", "api-2", "api-3"}


def test_the_backends_share_one_ledger_folder_and_nothing_else(specs: dict[str, Spec]) -> None:
    environments = [specs[f"api-{number}"].environment for number in (1, 2, 3)]
    assert len({each["API_LEDGER_DIR"] for each in environments}) == 1
    assert len({each["API_PORT"] for each in environments}) == 3
    assert [each["API_INSTANCE"] for each in environments] == ["api-1", "api-2", "api-3"]


def test_only_backends_and_the_chaos_service_know_the_token_of_misbehaviour(specs: dict[str, Spec]) -> None:
    told = {name: value for name, spec in specs.items() for value in spec.environment.values() if "orders" in value}
    assert set(told) == {"api-1", "api-2", "api-3", "chaos"}


def test_the_balancer_gets_its_admin_token_by_environment_and_not_in_the_file(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    [balancer] = [spec for spec in local_lab(layout, itertools.count(20000)) if spec.role is Role.LB]
    assert balancer.environment == {"LB_ADMIN__TOKEN": layout.admin_token}
    assert layout.admin_token not in (tmp_path / "lb.yaml").read_text() + " ".join(balancer.command)


def test_tokens_do_not_show_in_representations(tmp_path: Path) -> None:
    secrets = (f"secret-{number}" for number in range(5))
    layout = Layout(tmp_path, 1, 2, 3, "http://127.0.0.1:7000", *secrets)
    assert "secret" not in repr(layout)


def test_another_balancer_is_started_with_the_same_configuration(tmp_path: Path) -> None:
    layout = replace(layout_in(tmp_path), balancer_command=("my-balancer", "--quiet"))
    [balancer] = [spec for spec in local_lab(layout, itertools.count(20000)) if spec.role is Role.LB]
    assert balancer.command[-4:] == ("my-balancer", "--quiet", "--config", str(tmp_path / "lb.yaml"))
