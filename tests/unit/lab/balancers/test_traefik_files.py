"""Traefik's files: what is read, also from flags and labels, and what the lab changes in them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from lab.balancers.configuration import CheckKind, Configuration, Failure, Pool
from lab.balancers.documents import dump, settled, without
from lab.balancers.toml_document import read_toml
from lab.balancers.traefik import Traefik
from lab.errors import BadArgumentsError
from tests.support.own_edits import CORPUS, choose, deciding, edited, lab_values, strangers, ways, written

OWN = Traefik.own_files
ALL = frozenset(Failure)


def files(name: str) -> list[Path]:
    found = [each for each in sorted((CORPUS / "traefik" / name).rglob("*")) if each.is_file()]
    return sorted(found, key=lambda each: not each.name.startswith("traefik"))


def corpus(name: str) -> Configuration:
    return OWN.read(files(name))


def pool(name: str, wanted: str) -> Pool:
    return next(each for each in corpus(name).pools if each.name == wanted)


CASES = [
    pytest.param(each.name, listener.name, pool.name, id=f"{each.name} {listener.name} {pool.name}")
    for each in sorted((CORPUS / "traefik").iterdir())
    for listener, pool in ways(corpus(each.name))
]


def test_listeners_say_what_a_request_needs() -> None:
    found = {each.name: each for name in ("host", "toml", "folder", "swarm") for each in corpus(name).listeners}
    assert (found["app"].host, found["app"].path) == ("", "/app")
    assert (found["portal"].host, found["portal"].addresses, found["portal"].tls) == (
        "portal.example.com",
        (":443",),
        True,
    )
    assert found["shop"].pools == ("shop", "shop-old")  # the heavier one first
    assert found["shop-api"].path == "/api"
    assert found["dashboard"].pools == ()
    assert not found["jobs"].tls


def test_labels_and_flags_keep_their_places() -> None:
    found = corpus("compose")
    assert [path.name for path in found.texts] == ["traefik-static.yaml", "traefik-dynamic.yaml", "compose.yaml"]
    notes = found.pools[0]
    assert [each.address for each in notes.servers] == ["notes:3000"] * 3
    assert str(notes.place).startswith("compose.yaml:")
    assert str(notes.servers[0].place) == "compose.yaml:30"
    checks = notes.settings.checks
    assert checks is not None
    assert (checks.interval_s.value, str(checks.interval_s.place)) == (4, "compose.yaml:32")
    assert (notes.settings.connect_timeout_s.value, str(notes.settings.connect_timeout_s.place)) == (
        3,
        "compose.yaml:13",
    )
    assert (notes.settings.retries.attempts.value, str(notes.settings.retries.attempts.place)) == (2, "compose.yaml:28")
    swarm = {each.name: [server.address for server in each.servers] for each in corpus("swarm").pools}
    assert swarm == {"app": ["blue:9000", "blue:9000", "green:9000"], "jobs": ["jobs:7000"] * 2}


def test_files_that_the_static_one_names_are_read() -> None:
    found = OWN.read([CORPUS / "traefik" / "folder" / "traefik.yaml"])
    assert [path.name for path in found.texts] == [
        "traefik.yaml",
        "10-routers.yml",
        "20-services.yml",
        "30-middlewares.yml",
    ]
    assert [path.name for path in OWN.read([CORPUS / "traefik" / "toml" / "traefik.toml"]).texts] == [
        "traefik.toml",
        "dynamic.toml",
    ]


def test_checks() -> None:
    checks = pool("folder", "shop").settings.checks
    assert checks is not None
    assert checks.kind.value is CheckKind.HTTP
    assert (checks.interval_s.value, checks.down_interval_s.value, checks.timeout_s.value) == (5, 1, 0.75)
    assert (checks.fall.value, checks.rise.value) == (1, 1)
    default = pool("flat", "files").settings.checks
    assert default is not None
    assert (default.interval_s.value, default.down_interval_s.value) == (15, 15)
    portal = pool("toml", "portal").settings.checks
    assert portal is not None
    assert portal.path is not None
    assert (portal.path.value, str(portal.path.place)) == ("/healthz", "dynamic.toml:32")
    assert pool("folder", "api").settings.checks is None


def test_passive_checks() -> None:
    portal = pool("toml", "portal").settings.passive
    assert portal is not None
    assert (portal.failures.value, portal.ejection_s.value, portal.counted.value) == (3, 5, ALL)
    assert portal.window_s is not None
    assert portal.window_s.value == 5
    assert portal.returns_by_checks
    app = pool("swarm", "app").settings.passive
    assert app is not None
    assert (app.failures.value, app.ejection_s.value, app.returns_by_checks) == (2, 3, False)


def test_retries() -> None:
    shop = pool("folder", "shop").settings.retries
    assert (shop.attempts.value, shop.on.value, shop.non_idempotent_on.value) == (4, ALL, ALL)
    assert (shop.total_s.value, shop.pause_s.value) == (6, 0.05)
    assert shop.other_server_from.value is None  # p2c may choose the same server
    portal = pool("toml", "portal").settings.retries
    assert (portal.attempts.value, portal.on.value) == (3, {Failure.CONNECT})
    assert portal.non_idempotent_on.value == {Failure.CONNECT}
    assert portal.other_server_from.value == 2
    assert pool("toml", "wiki").settings.retries.attempts.value == 1


def test_time_outs_and_the_rest() -> None:
    shop = pool("folder", "shop").settings
    assert (shop.connect_timeout_s.value, shop.response_timeout_s.value) == (0.5, 2)
    assert shop.idle_timeout_s is not None
    assert shop.idle_timeout_s.value == 30
    wiki = pool("toml", "wiki").settings
    assert (wiki.connect_timeout_s.value, str(wiki.connect_timeout_s.place)) == (2, "traefik.toml:18")
    assert wiki.response_timeout_s.value == 15
    default = pool("host", "app").settings
    assert (default.connect_timeout_s.value, default.response_timeout_s.value) == (30, None)
    unknown = [each.text.partition(":")[0] for each in corpus("folder").unknown]
    assert unknown == ["weighted", "circuitBreaker"]


@pytest.mark.parametrize(("name", "listener", "pool_name"), CASES)
def test_only_the_labs_addresses_are_left(name: str, listener: str, pool_name: str, tmp_path: Path) -> None:
    found = corpus(name)
    one, other = choose(found, listener, pool_name)
    edits = OWN.edits(found, one, other)
    text = "\n".join(edited(found, edits).values())
    assert text.count("@LISTEN@") == 1
    for number in range(1, len(other.servers) + 1):
        assert text.count(f"@BACKEND_{number}@") == 1
    copies = written(OWN, found, edits, lab_values(tmp_path))
    for file in copies:
        assert not strangers(file.read_text())
    # What decides failover is as it was, in the only service that is left. The lab's own router leads to no service.
    again = OWN.read([each for each in copies if not each.read_text().startswith("# Written as")])
    assert {each.name: bool(each.pools) for each in again.listeners} == {listener: True, "lab-loaded": False}
    assert [deciding(each.settings) for each in again.pools] == [deciding(other.settings)]


TOML = """\
# one
a.b = [1, "two", {c = 'three'}] # and
[[list]]
x = 1
[list.sub]
y = \"\"\"a "b"
c\"\"\"
[[list]]
x = 1_000
[other]
"key with space" = {p = 1, q = true}
"""


def test_toml_is_read_as_python_reads_it() -> None:
    found = read_toml(Path("own.toml"), TOML)
    assert found.at("list").listing()[0].at("sub", "y").string() == 'a "b"\nc'
    assert str(found.at("list").listing()[1].at("x").place) == "own.toml:9"
    python = tomllib.loads(TOML.replace("1_000", '"1_000"'))
    assert json.loads(dump(found)) == python


@pytest.mark.parametrize(("keys", "name"), [(["other", "key with space"], "p"), ([], "list"), ([], "a"), ([], "other")])
def test_entries_are_removed_from_toml(keys: list[str], name: str) -> None:
    found = read_toml(Path("own.toml"), TOML)
    parent = found.at(*keys)
    text = TOML
    for edit in reversed(settled(without(parent, [(parent.at(name), "why")]), [])):
        text = text[: edit.place.start] + edit.text + text[edit.place.end :]
    expected = tomllib.loads(TOML)
    inner = expected
    for key in keys:
        inner = inner[key]
    del inner[name]
    assert tomllib.loads(text) == expected


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("traefik.yml", "nonsense: 1\n", "traefik.yml:1: not a configuration of Traefik"),
        ("dynamic.yml", "http:\n  routers: [1]\n", "dynamic.yml:2: expected a mapping"),
        ("dynamic.toml", "[http]\nrouters = \n", "dynamic.toml:2: not TOML"),
        (
            "traefik.yml",
            "entryPoints: {}\nproviders: {file: {filename: /x/d.yml}}\n",
            "traefik.yml:2: there is no /x/d.yml",
        ),
        (
            "dynamic.yml",
            "http:\n  services:\n    a:\n      loadBalancer:\n        healthCheck: {interval: soon}\n",
            "dynamic.yml:5: expected a duration",
        ),
        (
            "dynamic.yml",
            "http:\n  routers: {a: {service: a, middlewares: [m]}}\n  services: {a: {loadBalancer: {}}}\n"
            "  middlewares: {m: {retry: {status: [5xx]}}}\n",
            "dynamic.yml:4: expected statuses",
        ),
    ],
)
def test_bad_input_is_an_error_with_its_line(name: str, text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(BadArgumentsError, match=says):
        OWN.read([file])
