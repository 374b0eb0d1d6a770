"""The patch turns the user's files into the tuned ones, byte for byte, whatever their encoding and line ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.advise.advice import advise
from lab.advise.prediction import Situation
from lab.balancers import adapter
from lab.balancers.importing import collect
from lab.balancers.own_files import write
from lab.errors import BadArgumentsError
from lab.tune.goal import MEASURES, parse_goal, parse_limit
from lab.tune.patch import patch
from lab.tune.tuner import Request, Tuning, tune

CORPUS = Path(__file__).parents[3] / "corpus"
CONFIG = """\
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s  # for the reports

frontend web
    bind 127.0.0.1:8080
    default_backend app

backend app
    option httpchk GET /health
    server a 127.0.0.1:9001 check inter 2s
    server b 127.0.0.1:9002 check inter 3s
"""


def tuned(program: str, file: Path, goal: str, *limits: str, **more: object) -> Tuning:
    return tune(
        Request(
            program,
            (file.resolve(),),
            Situation(1),
            (parse_goal(goal),),
            tuple(map(parse_limit, limits)),
            **more,  # type: ignore[arg-type]
        )
    )


def by_patch(file: Path) -> list[str]:
    return ["patch", "-p0", "-s", "-i", str(file)]


def by_git(file: Path) -> list[str]:
    return ["git", "apply", "-p0", str(file)]


@pytest.mark.parametrize("command", [by_patch, by_git], ids=["patch", "git apply"])
@pytest.mark.parametrize(
    "content",
    [
        CONFIG.encode(),
        CONFIG.replace("\n", "\r\n").encode(),
        CONFIG.replace("for the reports", "für Köln").encode("latin-1"),
        CONFIG.rstrip("\n").encode(),
        CONFIG.replace("    ", "\t").encode(),
    ],
    ids=["plain", "CRLF", "Latin-1", "no newline at the end", "tabs"],
)
def test_the_patch_gives_the_tuned_file(
    content: bytes, command: Callable[[Path], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "conf" / "haproxy.cfg"
    file.parent.mkdir()
    file.write_bytes(content)
    found = tuned("haproxy", file, "pause: reroute <= 600ms", "checks <= 20/s a backend")
    assert found.met
    assert file.read_bytes() == content
    made = patch(found.before.texts, found.after.texts)
    assert made.folder == tmp_path
    assert "--- conf/haproxy.cfg\n+++ conf/haproxy.cfg\n" in made.text
    write(tmp_path / "tune.diff", made.text)
    done = subprocess.run(command(tmp_path / "tune.diff"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    after = found.after.texts[file]
    assert file.read_bytes() == after.encode("utf-8", "surrogateescape")
    assert b"\r\n" not in content or after.count("\n") == after.count("\r\n")


def test_a_patch_of_files_elsewhere_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "etc" / "conf.d").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    one, other = tmp_path / "etc" / "nginx.conf", tmp_path / "etc" / "conf.d" / "a.conf"
    made = patch({one: "a\n", other: "b\n"}, {one: "A\n", other: "B\n"})
    assert made.folder == tmp_path / "etc"
    assert made.command("/tmp/x.diff") == f"patch -p0 -d {tmp_path}/etc < /tmp/x.diff"
    write(tmp_path / "x.diff", made.text)
    one.write_text("a\n")
    other.write_text("b\n")
    subprocess.run(["patch", "-p0", "-s", "-d", made.folder, "-i", tmp_path / "x.diff"], check=True)
    assert (one.read_text(), other.read_text()) == ("A\n", "B\n")


def test_without_changes_the_patch_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIG)
    found = tuned("haproxy", file, "pause: reroute <= 1h")
    assert found.met
    assert patch(found.before.texts, found.after.texts).text == ""


def test_only_lines_that_matter_change(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIG)
    found = tuned("haproxy", file, "pause: reroute <= 4s")
    after = found.after.texts[file]
    kept = set(CONFIG.splitlines()) & set(after.splitlines())
    assert len(kept) >= len(set(CONFIG.splitlines())) - 2
    assert "# for the reports" in after
    assert len(found.changes) == 1


def test_the_shown_prediction_is_that_of_the_patched_file(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIG)
    found = tuned("haproxy", file, "pause: reroute <= 600ms")
    write(file, found.after.texts[file])
    own = adapter("haproxy").own_files
    assert own is not None
    configuration = own.read(collect([str(file)], own))
    again = advise(configuration, configuration.pools[0], Situation(2))
    for one, other in zip(again.predictions, found.after.advice.predictions, strict=True):
        assert {name: each.read(one) for name, each in MEASURES.items()} == {
            name: each.read(other) for name, each in MEASURES.items()
        }


def test_a_response_time_out_is_not_set_below_the_slowest_response() -> None:
    file = CORPUS / "nginx" / "simple" / "nginx.conf"
    found = tuned("nginx", file, "pause: reroute <= 300ms", longest_ejection_s=60.0)
    assert not found.met
    assert found.after.pool.settings.response_timeout_s.value == 1.0
    why = "\n".join(found.missed[0].why)
    assert "--slowest-response 1s" in why
    assert "nginx has no active checks" in why
    assert found.missed[0].value == pytest.approx(1.065)


def test_live_traffic_takes_no_server_out_for_longer_than_allowed() -> None:
    # nginx tries a frozen server again every 10 s, so clients notice the whole outage.
    file = CORPUS / "nginx" / "simple" / "nginx.conf"
    found = tuned("nginx", file, "pause: reroute <= 2s")
    assert not found.met
    assert found.after.pool.settings.response_timeout_s.value == 1.0  # even so, few requests are affected
    assert found.missed[0].value == 60.0
    assert "--longest-ejection" in "\n".join(found.missed[0].why)
    allowed = tuned("nginx", file, "pause: reroute <= 2s", longest_ejection_s=60.0)
    assert allowed.met
    assert allowed.after.pool.settings.passive is not None
    assert allowed.after.pool.settings.passive.ejection_s.value == 60.0


def test_a_lower_time_out_of_the_user_stays_allowed(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIG.replace("timeout server 30s", "timeout server 400ms"))
    found = tuned("haproxy", file, "pause: reroute <= 600ms")
    assert found.bounds.slowest_response_s == pytest.approx(0.4)
    assert found.met


def test_no_new_danger_is_introduced() -> None:
    # `5xx` would repeat POSTs, which the route also gets; the tuner may not use it.
    found = tuned("envoy", CORPUS / "envoy" / "rechain" / "envoy.yaml", "error: failed <= 0")
    assert not found.met
    assert found.after.dangers <= found.before.dangers


def test_a_limit_is_kept_even_if_the_goal_is_missed(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIG)
    found = tuned("haproxy", file, "pause: reroute <= 300ms", "checks <= 1/s a backend")
    checks = found.after.pool.settings.checks
    assert not found.met
    assert found.broken == ()
    assert checks is not None
    assert min(checks.interval_s.value, checks.doubt_interval_s.value, checks.down_interval_s.value) >= 1.0


def test_a_limit_that_the_file_breaks_is_repaired(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIG.replace("inter 2s", "inter 20ms").replace("inter 3s", "inter 20ms"))
    found = tuned("haproxy", file, "pause: reroute <= 5s", "checks <= 10/s a backend")
    assert found.met
    assert [each.tunable.name for each in found.changes] == ["inter"]


def test_http_checks_are_added_only_with_a_path_of_the_user(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIG.replace("    option httpchk GET /health\n", ""))
    without = tuned("haproxy", file, "pause: reroute <= 600ms")
    assert any("--check-path" in line for line in without.missed[0].why)
    found = tuned("haproxy", file, "pause: reroute <= 600ms", check_path="/alive")
    assert found.met
    assert "option httpchk GET /alive\n" in found.after.texts[file]


def test_another_pool_that_changes_too_is_named() -> None:
    found = tuned(
        "caddy",
        CORPUS / "caddy" / "snippets" / "Caddyfile",
        "pause: reroute <= 1s",
        pool="orders.example.com:8080",
    )
    assert found.met
    assert found.others == ("reports.example.com:8080 (proxy.caddy:9)",)


def test_files_with_several_ways_need_a_choice() -> None:
    with pytest.raises(BadArgumentsError, match="several ways"):
        tuned("nginx", CORPUS / "nginx" / "shop" / "nginx.conf", "pause: reroute <= 1s")
