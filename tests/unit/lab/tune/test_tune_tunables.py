"""Every value that the tuner may write into a realistic file is read back by the program's reader as it was meant."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.balancers import adapter
from lab.balancers.changes import apply
from lab.balancers.configuration import Configuration, Listener, Pool, Value
from lab.balancers.importing import collect, routes
from lab.balancers.tunables import Bounds, Candidate, Tunable
from lab.tune.tuner import copies

CORPUS = Path(__file__).parents[3] / "corpus"
BOUNDS = Bounds(1.0, 120.0, "/up")
FILES = {
    "haproxy": ["debian-app.cfg", "defaults-inherited.cfg", "latin1.cfg", "tcp-http.cfg", "tls-acl.cfg", "conf.d"],
    "nginx": [f"{name}/nginx.conf" for name in ("backup", "debian", "docker", "gateway", "shop", "simple")],
    "envoy": [
        "canary/envoy.json",
        *(f"{name}/envoy.yaml" for name in ("discovery", "edge", "rechain", "shop", "sidecar", "tcp")),
    ],
    "traefik": [
        "compose/compose.yaml",
        "flat/traefik.yml flat/routes.toml flat/services.yml",
        "folder/traefik.yaml",
        "host/traefik.yml host/app.yml",
        "swarm/traefik.yml swarm/stack.yml",
        "toml/traefik.toml",
    ],
    "caddy": [*(f"{name}/Caddyfile" for name in ("gateway", "one", "simple", "sites", "snippets")), "json/caddy.json"],
}
CASES = [(program, names) for program, every in FILES.items() for names in every]
OVERRULED = {frozenset(("route.timeout", "per_try_timeout")), frozenset(("retry_on", "retry_on (POST)"))}
"""Pairs of settings of which the reader reports only the stricter one, or which it reports together."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PORT", "8080")


def read(program: str, names: str) -> Configuration:
    own = adapter(program).own_files
    assert own is not None
    return own.read(collect([str(CORPUS / program / name) for name in names.split()], own))


def ways(configuration: Configuration) -> Iterator[tuple[Listener, Pool]]:
    """The first way to each pool that has several servers."""
    seen = set()
    for route in routes(configuration):
        if len(route.pool.servers) > 1 and route.pool.name not in seen:
            seen.add(route.pool.name)
            yield route.listener, route.pool


def offered(program: str, configuration: Configuration, listener: Listener, pool: Pool) -> list[Tunable]:
    own = adapter(program).own_files
    assert own is not None
    return own.tunables(configuration, listener, pool, BOUNDS)


def on_disk(configuration: Configuration) -> dict[Path, str]:
    return {path: text for path, text in configuration.texts.items() if path.is_file()}


def changed(
    program: str, configuration: Configuration, way: tuple[Listener, Pool], chosen: Sequence[Candidate], folder: Path
) -> tuple[Configuration, Pool]:
    """The configuration after these values are written, as the reader finds it."""
    own = adapter(program).own_files
    assert own is not None
    writes: dict[str, Any] = {name: value for each in chosen for name, value in each.writes.items()}
    edits = own.tuned(configuration, *way, writes)
    found = own.read(copies(apply(on_disk(configuration), edits), folder))
    return found, found.pools[configuration.pools.index(way[1])]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == pytest.approx(other)) if isinstance(one, float) else bool(one == other)


def plain(found: Any) -> Any:
    """Settings without places."""
    if isinstance(found, Value):
        return found.value
    if is_dataclass(found) and not isinstance(found, type):
        return {each.name: plain(getattr(found, each.name)) for each in fields(found)}
    return found


@pytest.mark.parametrize(("program", "names"), CASES)
def test_each_value_is_read_back_as_it_was_meant(program: str, names: str, tmp_path: Path) -> None:
    configuration, tried = read(program, names), 0
    for way in ways(configuration):
        tunables = offered(program, configuration, *way)
        assert len({each.name for each in tunables}) == len(tunables)
        for tunable in tunables:
            for candidate in {id(each): each for each in (*tunable.candidates[:1], *tunable.candidates[-1:])}.values():
                found, pool = changed(program, configuration, way, [candidate], tmp_path)
                told = (way[1].name, tunable.name, candidate.writes)
                assert same(tunable.read(pool.settings), candidate.value), told
                assert [each.address for each in pool.servers] == [each.address for each in way[1].servers], told
                assert len(found.listeners) == len(configuration.listeners), told
                tried += 1
    assert tried >= 5


@pytest.mark.parametrize("names", FILES["haproxy"])
def test_no_change_of_haproxy_affects_another_pool(names: str, tmp_path: Path) -> None:
    # A value of `defaults` is overruled in the pool's own section.
    configuration = read("haproxy", names)
    for way in ways(configuration):
        for tunable in offered("haproxy", configuration, *way):
            found, _ = changed("haproxy", configuration, way, tunable.candidates[:1], tmp_path)
            for before, after in zip(configuration.pools, found.pools, strict=True):
                assert before is way[1] or plain(before.settings) == plain(after.settings), (tunable.name, before.name)


def combinations(program: str, names: str, seed: int) -> Iterator[tuple[tuple[Listener, Pool], dict[str, Candidate]]]:
    configuration, rng = read(program, names), random.Random(seed)
    for way in ways(configuration):
        every = {each.name: each for each in offered(program, configuration, *way)}
        count = rng.randint(2, len(every))
        yield way, {name: rng.choice(every[name].candidates) for name in rng.sample(sorted(every), count)}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=st.sampled_from(CASES), seed=st.integers(0, 2**32))
def test_several_values_together_are_read_back_as_they_were_meant(
    case: tuple[str, str], seed: int, tmp_path: Path
) -> None:
    program, names = case
    configuration = read(program, names)
    for way, chosen in combinations(program, names, seed):
        every: Mapping[str, Tunable] = {each.name: each for each in offered(program, configuration, *way)}
        writes = [pair for each in chosen.values() for pair in map(repr, each.writes.items())]
        if len(set(writes)) > len({name for each in chosen.values() for name in each.writes}):
            continue  # two of them write different values of one setting, which the tuner refuses
        # A folder of its own, because an `include` with a pattern would find the files of an earlier example.
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        _, pool = changed(program, configuration, way, list(chosen.values()), folder)
        for name, candidate in chosen.items():
            if any(name in pair and pair <= set(chosen) for pair in OVERRULED):
                continue
            found = every[name].read(pool.settings)
            assert same(found, candidate.value), (way[1].name, name, found, chosen)
