"""No number of the configuration, of a file of backends or of the admin API is without an upper limit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lb.admin.changes import Addition, Adjustment, parse
from lb.config import ceilings
from lb.config.file_reader import DEFAULT, load
from lb.config.units import duration, share, size
from lb.discovery import DiscoveryError
from lb.discovery.file import parse as parse_file
from lb.errors import ConfigError, InvalidError

TOO_MUCH = {r"[\d.]+(us|ms|s|m|h)": "99999h", r"\d+(B|KiB|MiB|GiB|TiB)": "99999999GiB", r"[\d.]+": "1000000000000"}
STATIC = "discovery: {kind: static, backends: [{id: a, address: '127.0.0.1:9001'}]}\n"


def numbers(shown: dict[str, Any], under: str = "") -> Iterator[tuple[str, str]]:
    """The variable of every number of the shipped configuration, and a value that is too much for it."""
    for name, value in shown.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{under}{name}__")
        elif not isinstance(value, bool) and name not in ("version", "expect_status"):
            for pattern, too_much in TOO_MUCH.items():
                if re.fullmatch(pattern, str(value)):
                    yield f"LB_{under}{name}".upper(), too_much


def refused(variable: str, value: str) -> Sequence[str]:
    """The problems of the shipped configuration with this value; none if it is taken."""
    try:
        load(DEFAULT, {variable: value})
    except ConfigError as error:
        return error.problems
    return ()


NUMBERS = [*numbers(load(DEFAULT, {}).printable())]


def test_there_are_many_numbers() -> None:
    assert len(NUMBERS) > 50


@pytest.mark.parametrize(("variable", "value"), NUMBERS, ids=[variable for variable, _ in NUMBERS])
def test_a_configuration_that_asks_for_too_much_is_refused(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(DEFAULT, {variable: value})
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(variable)
    assert len(raised.value.problems[0]) < 200


POSITIVE = [
    variable
    for variable, too_much in NUMBERS
    if too_much.endswith("h") and any("must be above zero" in problem for problem in refused(variable, "0s"))
]


def test_durations_that_must_not_be_zero_are_told_apart() -> None:
    assert {"LB_TICK", "LB_HEALTH__INTERVAL", "LB_RETRY__PER_TRY_TIMEOUT"} <= {*POSITIVE}
    assert not {"LB_SLOW_START", "LB_LIMITS__GATHER", "LB_DISCOVERY__HOLD"} & {*POSITIVE}


@pytest.mark.parametrize("variable", POSITIVE)
def test_what_would_repeat_without_a_pause_is_refused(variable: str) -> None:
    [problem] = refused(variable, "999us")
    assert problem.startswith(f"{variable}: 999us is too little; at least 1")


@pytest.mark.parametrize("kind", ["{kind: file, path: b.yaml, ", "{kind: dns, name: api, port: 80, "])
def test_so_is_discovery_without_a_pause(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lb.yaml"
    path.write_text(f"discovery: {kind}interval: 9ms}}\n")
    with pytest.raises(ConfigError, match="9ms is too little; at least 10ms"):
        load(path, {})


@pytest.mark.parametrize("extra", ["sticky: {cookie: c, secrets: ['0123456789abcdef'], ttl: 9601h}\n"])
def test_so_is_what_is_not_in_the_shipped_file(tmp_path: Path, extra: str) -> None:
    path = tmp_path / "lb.yaml"
    path.write_text(STATIC + extra)
    with pytest.raises(ConfigError, match="too much"):
        load(path, {})


@pytest.mark.parametrize(
    "text",
    [
        STATIC + f"trusted_proxies: [{', '.join(['10.0.0.0/8'] * 1001)}]\n",
        STATIC + "sticky: {cookie: c, secrets: [" + ", ".join(["0123456789abcdef"] * 17) + "]}\n",
    ],
    ids=["trusted_proxies", "secrets"],
)
def test_lists_are_bounded_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lb.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load(path, {})


@pytest.mark.parametrize("weight", [1e6, 65_537, 1e-9, 5e-324, float("inf"), float("nan"), -1.0])
def test_a_weight_is_refused_wherever_it_comes_from(tmp_path: Path, weight: float) -> None:
    with pytest.raises(InvalidError, match="weight"):
        parse(Adjustment, {"weight": weight})
    with pytest.raises(InvalidError, match="weight"):
        parse(Addition, {"id": "b", "address": "127.0.0.1:1", "weight": weight})
    path = tmp_path / "backends.yaml"
    written = {"inf": ".inf", "nan": ".nan"}.get(str(weight), str(weight))
    path.write_text(f"- {{id: a, address: '127.0.0.1:9001', weight: {written}}}\n")
    with pytest.raises(DiscoveryError, match="weight"):
        parse_file(path)


@pytest.mark.parametrize("weight", [0, 0.001, 1, 256, 65_536])
def test_any_weight_of_use_is_taken(weight: float) -> None:
    assert parse(Adjustment, {"weight": weight}).weight == weight


def test_a_file_may_not_name_more_backends_than_have_been_tried(tmp_path: Path) -> None:
    path = tmp_path / "backends.yaml"
    count = ceilings.MOST_BACKENDS + 1
    path.write_text("[" + ", ".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}:80" for n in range(count)) + "]")
    with pytest.raises(DiscoveryError, match="10001 backends are too many"):
        parse_file(path)


@pytest.mark.parametrize("parser", [duration, size, share])
@pytest.mark.parametrize("unit", ["s", "h", "KiB", "%"])
def test_a_number_of_thousands_of_digits_is_told_in_a_line(parser: Any, unit: str) -> None:
    with pytest.raises(ValueError, match="is not a") as raised:
        parser("9" * 5000 + unit)
    assert len(str(raised.value)) < 200
