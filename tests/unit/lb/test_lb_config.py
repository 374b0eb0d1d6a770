from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lb.config.file_reader import DEFAULT, load
from lb.config.schema import Config
from lb.config.value_types import Section
from lb.core import settings as core
from lb.errors import ConfigError
from lb.proxy.limits import Limits

ROOT = Path(__file__).resolve().parents[3]
STATIC = "discovery: {kind: static, backends: [{id: a, address: '127.0.0.1:9001'}]}\n"


def written(folder: Path, text: str, **environ: str) -> Config:
    path = folder / "lb.yaml"
    path.write_text(text)
    return load(path, environ)


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        written(folder, text, **environ)
    return list(raised.value.problems)


# --- what is understood ---


def test_only_discovery_must_be_said(tmp_path: Path) -> None:
    config = written(tmp_path, STATIC)

    assert config.core_settings() == core.Settings()
    assert config.proxy_limits() == Limits()


def test_the_shipped_file_says_exactly_the_defaults() -> None:
    shipped = load(DEFAULT, {})

    assert shipped == Config(discovery=shipped.discovery)


def test_the_shipped_file_shows_every_key() -> None:
    shown = load(DEFAULT, {}).printable()
    text = DEFAULT.read_text()

    for name in _names(shown):
        assert re.search(rf"\b{name}:", text), name


def test_what_is_printed_can_be_read_back(tmp_path: Path) -> None:
    config = load(DEFAULT, {"LB_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8", "LB_SLOW_START": "90s"})

    assert Config.model_validate(config.printable()) == config


@pytest.mark.parametrize(
    ("section", "settings", "renamed"),
    [
        ("health", core.HealthSettings, {}),
        ("passive", core.PassiveSettings, {}),
        ("retry", core.RetrySettings, {"budget": "budget_ratio"}),
        ("admission", core.AdmissionSettings, {}),
        ("limits", Limits, {}),
    ],
)
def test_every_setting_has_a_key(section: str, settings: Any, renamed: dict[str, str]) -> None:
    model = Config.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, Section)

    keys = {renamed.get(name, name) for name in model.model_fields}

    assert keys == {field.name for field in fields(settings)}


def test_every_key_reaches_the_setting_that_it_names(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        STATIC
        + "policy: least_requests\npanic: closed\nslow_start: 7s\ntick: 5ms\n"
        + "health: {interval: 2s, fall: 3, jitter: 5%}\n"
        + "retry: {budget: 30%, hedge: false, total_timeout: 9s}\n"
        + "admission: {max_in_flight: 7}\nlimits: {head: 16KiB, client_idle: 5s}\n",
    )
    settings, limits = config.core_settings(), config.proxy_limits()

    assert (settings.policy, settings.panic, settings.slow_start, settings.tick) == (
        "least_requests",
        "closed",
        7.0,
        0.005,
    )
    assert (settings.health.interval, settings.health.fall, settings.health.jitter) == (2.0, 3, 0.05)
    assert (settings.retry.budget_ratio, settings.retry.hedge, settings.retry.total_timeout) == (0.3, False, 9.0)
    assert settings.admission.max_in_flight == 7
    assert (limits.head, limits.client_idle) == (16 * 1024, 5.0)


def test_how_often_membership_is_read_is_a_term_of_the_bounds(tmp_path: Path) -> None:
    dns = written(tmp_path, "discovery: {kind: dns, name: api, port: 8000, interval: 3s}\n")

    assert dns.core_settings().discovery_interval == 3.0
    assert written(tmp_path, STATIC).core_settings().discovery_interval == 0.0


def test_json_is_yaml(tmp_path: Path) -> None:
    text = '{"version": 1, "discovery": {"kind": "static", "backends": [{"id": "a", "address": "h:1"}]}}'

    assert str(written(tmp_path, text).printable()["discovery"]["backends"][0]["address"]) == "h:1"


# --- the environment ---


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        STATIC + "health: {interval: 2s}\n",
        LB_HEALTH__INTERVAL="750ms",
        LB_RETRY__HEDGE="false",
        LB_ADMIN__LISTEN="0.0.0.0:81",
        LB_CONFIG="not a key",
        PATH="not ours",
    )

    assert config.health.interval == 0.75
    assert config.retry.hedge is False
    assert str(config.admin.listen) == "0.0.0.0:81"


def test_another_kind_of_discovery_forgets_the_one_in_the_file() -> None:
    environ = {"LB_DISCOVERY__PORT": "8000", "LB_DISCOVERY__NAME": "api", "LB_DISCOVERY__KIND": "dns"}

    config = load(DEFAULT, environ)

    assert config.printable()["discovery"] == {
        "kind": "dns", "name": "api", "port": 8000, "interval": "1s", "timeout": "2s", "hold": "1m", "max_loss": "50%",
    }  # fmt: skip


def test_backends_fit_into_one_variable() -> None:
    config = load(DEFAULT, {"LB_DISCOVERY__BACKENDS": "a=127.0.0.1:9001, 127.0.0.1:9002"})

    assert [entry["id"] for entry in config.printable()["discovery"]["backends"]] == ["a", "127.0.0.1:9002"]


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    assert problems(tmp_path, STATIC, LB_HEALTH__INTERVAL="500") == [
        "LB_HEALTH__INTERVAL: '500' is not a duration such as 500ms, 2s, 1.5m or 1h"
    ]
    (typo,) = problems(tmp_path, STATIC, LB_HELTH__INTERVAL="500ms")
    assert typo.startswith("LB_HELTH__INTERVAL: unknown key; did you mean 'health'? allowed: ")


# --- what is refused ---


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("health:\n  interval: 500\n", "lb.yaml:3: health.interval: 500 has no unit: write 500ms or 500s"),
        ("health:\n  path: health\n", "lb.yaml:3: health.path: 'health' is not a path such as /health"),
        ("health:\n  rise: two\n", "lb.yaml:3: health.rise: 'two' is not a whole number"),
        ("retry:\n  hedge: sometimes\n", "lb.yaml:3: retry.hedge: 'sometimes' is not true or false"),
        ("panic: maybe\n", "lb.yaml:2: panic: 'maybe' is not allowed; allowed: open or closed"),
        ("version: 2\n", "lb.yaml:2: version: 2 is not allowed; allowed: 1"),
        ("retry: {per_try_timeout: 6s}\n", "lb.yaml:2: retry: per_try_timeout must not exceed total_timeout"),
        ("health: {fast_interval: 1s}\n", "lb.yaml:2: health: fast_interval must not exceed interval"),
        ("passive: {stall_floor: 1s}\n", "lb.yaml:2: passive: stall_floor must not exceed stall_ceiling"),
        ("limits: {target: 64KiB}\n", "lb.yaml:2: limits: target must not exceed head, which contains it"),
        ("listen: 127.0.0.1:8081\n", "lb.yaml: listen and admin.listen are both 127.0.0.1:8081"),
        ("trusted_proxies: [10.0.0.0/8, ten]\n",
         "lb.yaml:2: trusted_proxies.1: 'ten' is not a network such as 10.0.0.0/8 or fd00::/8"),
        ("policy: rnd\n",
         "lb.yaml:2: policy: 'rnd' is not a policy; allowed: least_requests, maglev, p2c, peak_ewma, prequal, random, "
         "ring_hash, round_robin, weighted"),
    ],
)  # fmt: skip
def test_each_mistake_says_where_it_is_and_what_is_allowed(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, STATIC + text) == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("listen: 127.0.0.1:80\n", "lb.yaml: discovery: is required"),
        ("discovery: {}\n", "lb.yaml:1: discovery: kind is required; allowed: static, dns, file"),
        ("discovery: {kind: consul}\n",
         "lb.yaml:1: discovery: kind 'consul' is not allowed; allowed: static, dns, file"),
        ("discovery:\n  kind: dns\n  name: api\n", "lb.yaml:1: discovery.port: is required"),
        ("discovery:\n  kind: dns\n  name: api\n  prot: 1\n  port: 2\n",
         "lb.yaml:4: discovery.prot: unknown key; did you mean 'port'? allowed: "
         "hold, interval, kind, max_loss, name, port, timeout"),
        ("discovery:\n  kind: static\n  backends:\n  - {id: a, address: 'h:1'}\n  - {id: a, address: 'h:2'}\n",
         "lb.yaml:1: discovery: id used twice: a"),
        ("discovery:\n  kind: static\n  backends:\n  - {id: a, address: 'h:1'}\n  - {id: b, address: 'h:1'}\n",
         "lb.yaml:1: discovery: address used twice: h:1"),
        ("discovery:\n  kind: static\n  backends:\n  - {id: 'a,b', address: 'h:1'}\n",
         "lb.yaml:4: discovery.backends.0.id: 'a,b' is not a backend id: up to 128 of A-Z a-z 0-9 . _ : - "
         "(a letter or digit first)"),
        ("- a\n", "lb.yaml:1: expected keys and values, found a list"),
        ("a: b: c\n", "lb.yaml:1: mapping values are not allowed here"),
    ],
)  # fmt: skip
def test_each_mistake_about_discovery_or_syntax(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_repeated_key_is_refused_where_it_is_repeated(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, STATIC + "panic: open\npanic: closed\n")

    assert problem.startswith('lb.yaml:3: found duplicate key "panic"')


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "panic: x\nhealth: {fall: 0, rise: 0}\n", LB_TICK="1")) == 5


def test_the_configuration_cannot_be_changed_once_it_is_read() -> None:
    config = load(DEFAULT, {})

    with pytest.raises(ValueError, match="frozen"):
        config.policy = "random"  # type: ignore[misc]  # that is the point


# --- the documentation ---


def test_the_documentation_explains_every_key_with_its_default() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    shown = load(DEFAULT, {}).printable()
    del shown["discovery"]

    for key, value in _leaves(shown):
        default = str(value).lower() if isinstance(value, bool) else _number(value)
        assert f"| `{key}` | `{default}` |" in text, key


def _number(value: object) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in tree.items():
        found += _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return found


def _names(tree: dict[str, Any]) -> list[str]:
    return [key.rsplit(".", 1)[-1] for key, _ in _leaves(tree)]


# --- clients that stay, and secrets ---

SECRETS = "sticky: {cookie: lb, secrets: [sixteen-characters, another-one-of-sixteen]}\n"


def test_sticky_sessions_are_off_unless_configured(tmp_path: Path) -> None:
    assert written(tmp_path, STATIC).sticky is None
    sticky = written(tmp_path, STATIC + SECRETS).sticky
    assert sticky is not None
    assert [secret.get_secret_value() for secret in sticky.secrets] == ["sixteen-characters", "another-one-of-sixteen"]


def test_what_is_shown_holds_no_secret(tmp_path: Path) -> None:
    config = written(tmp_path, STATIC + SECRETS, LB_ADMIN__TOKEN="a-token-of-enough-length")
    shown = str(config.printable()) + repr(config)
    assert "sixteen" not in shown
    assert "enough" not in shown


def test_an_empty_admin_token_is_none(tmp_path: Path) -> None:
    """Compose hands a variable that nobody set to the container as an empty one."""
    assert written(tmp_path, STATIC, LB_ADMIN__TOKEN="").admin.token is None


def test_secrets_may_come_from_the_environment(tmp_path: Path) -> None:
    environ = {"LB_STICKY__COOKIE": "lb", "LB_STICKY__SECRETS": "sixteen-characters,another-one-of-sixteen"}
    assert written(tmp_path, STATIC, **environ) == written(tmp_path, STATIC + SECRETS)


def test_health_headers_and_statuses(tmp_path: Path) -> None:
    health = "health: {headers: {Host: api.test, X-Check: '1'}, expect_status: 200-299}\n"
    config = written(tmp_path, STATIC + health)
    assert config.core_settings().health.expect_status == (200, 299)
    assert config.core_settings().health.headers == {"Host": "api.test", "X-Check": "1"}
    assert config.printable()["health"]["expect_status"] == "200-299"
    assert written(tmp_path, STATIC, LB_HEALTH__HEADERS="Host: api.test, X-Check: 1").health.headers == {
        "Host": "api.test", "X-Check": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hash: {by: moon}\n",
         "lb.yaml:2: hash.by: 'moon' is not a key to hash by; allowed: client, path, header:NAME or cookie:NAME"),
        ("hash: {by: 'header:'}\n",
         "lb.yaml:2: hash.by: 'header:' is not a key to hash by; allowed: client, path, header:NAME or cookie:NAME"),
        ("sticky: {cookie: lb, secrets: [short]}\n",
         "lb.yaml:2: sticky.secrets.0: a secret needs 16 characters or more"),
        ("sticky: {cookie: 'l b', secrets: [sixteen-characters]}\n",
         "lb.yaml:2: sticky.cookie: 'l b' is not a name of letters, digits and !#$%&'*+.^_`|~-"),
        ("admin: {token: short}\n", "lb.yaml:2: admin: token must have 16 characters or more"),
        ("health: {expect_status: 2xx}\n",
         "lb.yaml:2: health.expect_status: '2xx' is not a status such as 200 or a range such as 200-399"),
        ("health: {expect_status: 300-200}\n",
         "lb.yaml:2: health.expect_status: '300-200' is not a status such as 200 or a range such as 200-399"),
        ("health: {headers: {'X Y': '1'}}\n",
         "lb.yaml:2: health.headers: 'X Y' is not a name of letters, digits and !#$%&'*+.^_`|~-"),
        ("health: {headers: {X-Y: \"1\\r\\n2\"}}\n",
         "lb.yaml:2: health.headers: the value of X-Y is not printable text in one line"),
        ("health: {kind: tcp, expect_body: ok}\n",
         "lb.yaml:2: health: expect_body: a tcp check sends nothing and reads nothing"),
        ("worker_timeout: 1.5s\n",
         "lb.yaml:2: worker_timeout: 1.5s is too short: 0s (never), or at least 2s, since workers report each second"),
        ("tls: true\n", "lb.yaml:2: tls: expected keys and values, found True"),
        ("health: [1]\n", "lb.yaml:2: health: expected keys and values, found a list"),
        ("tls: {certificates: []}\n", "lb.yaml:2: tls.certificates: expected 1 or more, found 0"),
        ("tls: {certificates: [a.pem], min_version: 1.1}\n",
         "lb.yaml:2: tls.min_version: '1.1' is not allowed; allowed: 1.2 or 1.3"),
        ("health: {kind: icmp}\n", "lb.yaml:2: health.kind: 'icmp' is not allowed; allowed: http, tcp or tls"),
    ],
)  # fmt: skip
def test_each_mistake_about_clients_and_checks(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, STATIC + text) == [problem]


@pytest.mark.parametrize("written_as", ["1.3", '"1.3"'])
def test_a_tls_version_needs_no_quotes(tmp_path: Path, written_as: str) -> None:
    config = written(tmp_path, f"{STATIC}tls: {{certificates: [a.pem], min_version: {written_as}}}\n")

    assert config.tls is not None
    assert config.tls.min_version == "1.3"


def test_names_of_trailers_are_lower_case_bytes_for_the_data_plane_and_never_framing() -> None:
    discovery = {"kind": "static", "backends": ["a=127.0.0.1:1"]}
    config = Config.model_validate({"discovery": discovery, "limits": {"trailers": "X-Sum, x-other"}})
    assert config.proxy_limits().trailers == {b"x-sum", b"x-other"}
    for wrong in ("Content-Length", "X Sum"):
        with pytest.raises(ValidationError, match=wrong):
            Config.model_validate({"discovery": discovery, "limits": {"trailers": [wrong]}})


# --- hostile files ---


def _keys(section: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in section.items():
        yield (*prefix, name)
        if isinstance(value, dict):
            yield from _keys(value, (*prefix, name))


ODD_VALUES = ("[x]", "{[x]: b}", "null", "-1", ".nan", "9" * 5000, '"\\ud83d"', "2001-99-99")
"""One of each kind: a test takes 0.5 s, since every key is given each."""


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: value[:20])
def test_a_value_of_any_type_at_any_key_is_taken_or_refused_in_lines(tmp_path: Path, value: str) -> None:
    shown = load(DEFAULT, {}).printable()
    for key in _keys(shown):
        text = STATIC if key[0] != "discovery" else ""
        text += "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate(key[:-1]))
        text += f"{'  ' * (len(key) - 1)}{key[-1]}: {value}\n"
        path = tmp_path / "lb.yaml"
        path.write_text(text)
        told: Sequence[str] = ("taken",)
        try:
            load(path, {})
        except ConfigError as error:
            told = error.problems
        assert 0 < max(map(len, told)) < 1000, key


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("policy: [x]\n", "lb.yaml:2: policy: ['x'] is not a policy"),
        ("version: " + "[" * 5_000 + "\n", "lb.yaml:2: nested deeper than 16 levels"),
        ("version: " + "{a: " * 5_000 + "\n", "lb.yaml:2: nested deeper than 16 levels"),
        ("version:\n  " + "- " * 500 + "\n", "lb.yaml:3: nested deeper than 16 levels"),
        ("policy: &a [*a]\n", "lb.yaml:2: *a contains itself"),
        ("policy: 1\n# " + "x" * 2_000_000, "lb.yaml: is longer than 1024 KiB"),
        ("a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9)),
         "lb.yaml:7: more than 100000 values"),
    ],
    ids=["list", "deep list", "deep mapping", "deep block", "recursive", "long", "bomb"],
)  # fmt: skip
def test_a_file_that_would_cost_too_much_is_refused_at_once(tmp_path: Path, text: str, problem: str) -> None:
    [told] = problems(tmp_path, STATIC + text)
    assert told.startswith(problem)


def test_an_alias_is_what_it_stands_for(tmp_path: Path) -> None:
    assert written(tmp_path, STATIC + "health: {interval: &i 700ms}\ntick: *i\n").tick == pytest.approx(0.7)
