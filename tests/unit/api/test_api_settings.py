from __future__ import annotations

from pathlib import Path

import pytest

from api.errors import SettingsError
from api.settings import Settings, from_environment


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
            "API_SHUTDOWN_TIMEOUT": "2m",
        }
    )

    assert settings == Settings("0.0.0.0", 9001, "api-7", Path("/var/ledger"), 0.5, 120.0)


def test_a_bare_number_is_a_duration_in_seconds() -> None:
    assert from_environment({"API_KEEP_ALIVE": "90"}).keep_alive_s == 90.0


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
        ("API_KEEP_ALIVE", "soon"),
        ("API_SHUTDOWN_TIMEOUT", "-5s"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable_and_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_environment({name: value})

    message = str(raised.value)
    assert message.startswith(f"{name}={value!r}: expected ")
    assert "\n" not in message
