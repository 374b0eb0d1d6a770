from __future__ import annotations

from pathlib import Path

import pytest

from chaos.inputs.settings import Settings, SettingsError

LOCAL = {"CHAOS_SUPERVISOR": "http://127.0.0.1:1"}
DOCKER = {"CHAOS_RUNTIME": "docker"}
SHOP = DOCKER | {"CHAOS_PROJECT": "shop", "CHAOS_TARGETS": "web, api2:9000"}


def test_the_environment_is_read_with_units_and_empty_means_unset() -> None:
    settings = Settings.from_environment(
        LOCAL | {"CHAOS_MAX_DURATION": "5 min", "CHAOS_REVIVE_AFTER": "", "CHAOS_STATE_DIR": "/state"}
    )
    assert (settings.max_duration, settings.revive_after, settings.state_dir) == (300.0, 5.0, Path("/state"))
    assert settings.host == "127.0.0.1", "loopback unless told otherwise"


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "CHAOS_SUPERVISOR"),
        (LOCAL | {"CHAOS_RUNTIME": "kubernetes"}, "CHAOS_RUNTIME"),
        (LOCAL | {"CHAOS_PORT": "http"}, "CHAOS_PORT"),
        (LOCAL | {"CHAOS_MAX_DURATION": "300"}, "CHAOS_MAX_DURATION.*unit"),
        (LOCAL | {"CHAOS_SERVICE_PORT": "0"}, "^CHAOS_SERVICE_PORT='0': expected a port number, 1 to 65535$"),
        (LOCAL | {"CHAOS_HEAD_TIMEOUT": "0s"}, "^CHAOS_HEAD_TIMEOUT=0.0: expected a duration above 0$"),
        (LOCAL | {"CHAOS_RUNTIME": "k8s"}, "^CHAOS_RUNTIME='k8s': expected docker or local$"),
        (
            LOCAL | {"CHAOS_REVIVE_AFTER": "5"},
            "^CHAOS_REVIVE_AFTER='5': expected a duration with its unit,[^;]*5min$",
        ),
        (LOCAL | {"CHAOS_TARGETS": "web"}, "^CHAOS_TARGETS='web': expected nothing, because CHAOS_RUNTIME is local$"),
        (DOCKER | {"CHAOS_TARGETS": "web"}, "^CHAOS_PROJECT='': expected the compose project of the services in"),
        (DOCKER | {"CHAOS_TARGETS": "web,"}, "^CHAOS_TARGETS='web,': expected names of compose services with commas"),
        (DOCKER | {"CHAOS_TARGETS": "web:http"}, "^CHAOS_TARGETS='web:http': expected .*NAME:PORT$"),
        (DOCKER | {"CHAOS_TARGETS": "web:0"}, "^CHAOS_TARGETS='web:0': expected"),
        (SHOP | {"CHAOS_BALANCER": "web"}, "^CHAOS_BALANCER='web': expected a service that is not in CHAOS_TARGETS$"),
        (SHOP | {"CHAOS_BALANCER": "a b"}, "^CHAOS_BALANCER='a b': expected the name of a compose service$"),
        (SHOP | {"CHAOS_HEALTH": "grpc"}, "^CHAOS_HEALTH='grpc': expected http or tcp$"),
        (SHOP | {"CHAOS_HEALTH_PATH": "up"}, "^CHAOS_HEALTH_PATH='up': expected a path that begins with /"),
        (SHOP | {"CHAOS_HEALTH_PATH": "/a\r\nb"}, "^CHAOS_HEALTH_PATH="),
        (SHOP | {"CHAOS_HEALTH_HOST": "a\nb"}, "^CHAOS_HEALTH_HOST="),
        ({}, "^CHAOS_SUPERVISOR='': expected the supervisor's URL"),
    ],
)
def test_what_is_wrong_is_named(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings.from_environment(environment)


def test_targets_are_services_each_with_its_port_if_it_has_one() -> None:
    settings = Settings.from_environment(SHOP | {"CHAOS_BALANCER": "proxy"})
    assert (settings.targets, settings.balancer) == ({"web": None, "api2": 9000}, "proxy")
    assert Settings.from_environment(DOCKER).targets == {}


def test_the_token_of_misbehaviour_is_a_value_or_a_file_read_at_each_order(tmp_path: Path) -> None:
    file = tmp_path / "token"
    settings = Settings.from_environment(LOCAL | {"CHAOS_MISBEHAVE_TOKEN_FILE": str(file)})
    file.write_text("first\n")
    assert settings.order_token("api-1") == "first"
    file.write_text("second\n")
    assert settings.order_token("api-1") == "second"
    assert Settings.from_environment(LOCAL | {"CHAOS_MISBEHAVE_TOKEN": "given"}).order_token("api-1") == "given"
    own = Settings.from_environment(LOCAL | {"CHAOS_MISBEHAVE_TOKEN_DIR": str(tmp_path)})
    (tmp_path / "api-1").write_text("of api-1\n")
    assert own.order_token("api-1") == own.order_token("../api-1") == "of api-1"
    with pytest.raises(FileNotFoundError):
        own.order_token("api-2")
    both = {"CHAOS_MISBEHAVE_TOKEN": "given", "CHAOS_MISBEHAVE_TOKEN_FILE": str(file)}
    with pytest.raises(SettingsError, match="because CHAOS_MISBEHAVE_TOKEN is set"):
        Settings.from_environment(LOCAL | both)
