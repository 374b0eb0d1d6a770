from __future__ import annotations

from pathlib import Path

import pytest

from api.errors import SettingsError
from api.settings import FIRST_USER, Settings, from_environment, user_of


def test_an_empty_environment_gives_the_documented_defaults_and_the_host_name() -> None:
    settings = from_environment({"HOSTNAME": "ignored"})

    assert (settings.host, settings.port, settings.ledger_dir) == ("127.0.0.1", 8000, Path("ledger"))
    assert (settings.keep_alive_s, settings.shutdown_timeout_s) == (75.0, 10.0)
    assert settings.instance


def test_every_variable_changes_its_setting() -> None:
    settings = from_environment(
        {
            "API_HOST": "0.0.0.0",
            "API_PORT": "9001",
            "API_INSTANCE": "api-7",
            "API_LEDGER_DIR": "/var/ledger",
            "API_KEEP_ALIVE": "500ms",
            "API_HEAD_TIMEOUT": "3s",
            "API_BODY_TIMEOUT": "4s",
            "API_MAX_CONNECTIONS": "7",
            "API_SHUTDOWN_TIMEOUT": "2m",
            "API_OWN_USER": "1",
            "API_PREFIX": "/v1",
            "API_MISBEHAVE_TOKEN_FILE": "/run/token",
        }
    )

    assert settings == Settings(
        "0.0.0.0", 9001, "api-7", Path("/var/ledger"), 0.5, 3.0, 4.0, 7, 120.0, True, "/v1", "", Path("/run/token")
    )
    assert from_environment({"API_MISBEHAVE_TOKEN": "x" * 16}).misbehave_token == "x" * 16


def test_a_bare_number_is_a_duration_in_seconds() -> None:
    assert from_environment({"API_KEEP_ALIVE": "90"}).keep_alive_s == 90.0


def test_a_folder_for_tokens_excludes_a_token() -> None:
    assert from_environment({"API_MISBEHAVE_TOKEN_DIR": "/tokens"}).misbehave_token_dir == Path("/tokens")
    with pytest.raises(SettingsError, match="expected nothing, because API_MISBEHAVE_TOKEN_FILE is set"):
        from_environment({"API_MISBEHAVE_TOKEN_DIR": "/tokens", "API_MISBEHAVE_TOKEN_FILE": "/token"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "http"),
        ("API_PORT", "65536"),
        ("API_PORT", "-1"),
        ("API_PORT", "²"),
        ("API_INSTANCE", "../elsewhere"),
        ("API_INSTANCE", "a b"),
        ("API_INSTANCE", "x" * 65),
        ("API_KEEP_ALIVE", "0s"),
        ("API_HEAD_TIMEOUT", "0s"),
        ("API_BODY_TIMEOUT", "10x"),
        ("API_MAX_CONNECTIONS", "0"),
        ("API_MAX_CONNECTIONS", "1000000"),
        ("API_MAX_CONNECTIONS", "²"),
        ("API_KEEP_ALIVE", "soon"),
        ("API_SHUTDOWN_TIMEOUT", "-5s"),
        ("API_OWN_USER", "yes"),
        ("API_PREFIX", "v1"),
        ("API_PREFIX", "/v1/"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable_and_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_environment({name: value})

    message = str(raised.value)
    assert message.startswith(f"{name}={value!r}: expected ")
    assert "\n" not in message


def test_a_token_is_long_named_once_and_shown_by_no_message() -> None:
    with pytest.raises(SettingsError, match=r"^API_MISBEHAVE_TOKEN: expected 16 characters or more$"):
        from_environment({"API_MISBEHAVE_TOKEN": "short"})
    with pytest.raises(SettingsError, match="because API_MISBEHAVE_TOKEN is set"):
        from_environment({"API_MISBEHAVE_TOKEN": "x" * 16, "API_MISBEHAVE_TOKEN_FILE": "/run/token"})
    assert "x" * 16 not in repr(from_environment({"API_MISBEHAVE_TOKEN": "x" * 16}))


def test_every_instance_has_a_user_of_its_own_that_stays_the_same() -> None:
    users = [user_of(f"api-{number}") for number in range(1000)]

    assert len(set(users)) == 1000
    assert min(users) >= FIRST_USER
    assert max(users) < 1 << 31
    assert user_of("api-1") == users[1]
