"""Import of users' files, whatever the program: which way requests take, and what is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.balancers import adapter, importing
from lab.balancers.adapter import OwnFiles
from lab.balancers.importing import Imported, collect, guess, has_placeholders, import_files, same_words, write_changes
from lab.errors import BadArgumentsError

GLOBAL = "defaults\n  mode http\n  timeout connect 1s\n"
POOL = "backend {0}\n  server a 10.0.0.1:80 check\n  server b 10.0.0.2:80 check\n"
ONE = "frontend web\n  bind :80\n  default_backend app\n" + POOL.format("app")


def haproxy() -> OwnFiles:
    own = adapter("haproxy").own_files
    assert own is not None
    return own


def imported(folder: Path, text: str, **names: str) -> Imported:
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return import_files("haproxy", [path], **names)


def test_the_only_way_is_taken(tmp_path: Path) -> None:
    route = imported(tmp_path, ONE).route
    assert (route.listener.name, route.pool.name) == ("web", "app")
    assert str(route) == "web (haproxy.cfg:1) → app (haproxy.cfg:4), 2 servers: 10.0.0.1:80, 10.0.0.2:80"


def test_several_ways_are_listed_with_file_line_and_servers(tmp_path: Path) -> None:
    text = ONE.replace("default_backend app", "use_backend api if { path_beg /api }\n  default_backend app")
    text += POOL.format("api").replace("10.0.0", "10.0.9")
    with pytest.raises(BadArgumentsError, match="requests have several ways") as error:
        imported(tmp_path, text)
    assert "--frontend NAME, --pool NAME" in error.value.next_step
    assert error.value.details == (
        "web (haproxy.cfg:1) → app (haproxy.cfg:5), 2 servers: 10.0.0.1:80, 10.0.0.2:80",
        "web (haproxy.cfg:1) → api (haproxy.cfg:8), 2 servers: 10.0.9.1:80, 10.0.9.2:80",
    )
    assert imported(tmp_path, text, pool="api").route.pool.name == "api"
    assert imported(tmp_path, text, pool="haproxy.cfg:8", frontend="other,web").route.pool.name == "api"
    with pytest.raises(BadArgumentsError, match="no way fits --pool nope"):
        imported(tmp_path, text, pool="nope")


def test_one_server_is_refused_with_the_pools_place(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=r"haproxy.cfg:4: app has 1 server in use, and failover needs at least"):
        imported(tmp_path, ONE.replace("  server b 10.0.0.2:80 check\n", ""))


def test_more_servers_than_the_lab_starts_are_refused_with_the_reason(tmp_path: Path) -> None:
    servers = "".join(f"  server s{number} 10.0.1.{number}:80\n" for number in range(importing.MOST_SERVERS - 1))
    with pytest.raises(BadArgumentsError, match=r"app has 17 servers, and the lab starts at most 16.*two processes"):
        imported(tmp_path, f"{ONE}{servers}")


def test_files_without_any_way_say_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match="no listener leads to a pool") as error:
        imported(tmp_path, ONE.replace("default_backend app", "stats enable"))
    assert error.value.details == ("listener web (haproxy.cfg:1) → no pool", "pool app (haproxy.cfg:4): 2 servers")


def test_changes_are_made_in_one_pass_and_told_with_their_place(tmp_path: Path) -> None:
    found = imported(tmp_path, ONE)
    assert list(found.told()) == [
        "haproxy.cfg:2: :80 → @LISTEN@ (the lab's requests enter here)",
        "haproxy.cfg:5: 10.0.0.1:80 → @BACKEND_1@ (backend of the lab for 10.0.0.1:80)",
        "haproxy.cfg:6: 10.0.0.2:80 → @BACKEND_2@ (backend of the lab for 10.0.0.2:80)",
    ]
    (text,) = found.texts().values()
    changed = ONE.replace(":80\n", "@LISTEN@\n", 1).replace("10.0.0.1:80", "@BACKEND_1@")
    assert text == changed.replace("10.0.0.2:80", "@BACKEND_2@")


def test_a_written_diff_turns_the_users_file_into_the_labs(tmp_path: Path) -> None:
    found = imported(
        tmp_path, ONE.replace("check\n", "check # f\udcfcr\n").encode("utf-8", "surrogateescape").decode("latin-1")
    )
    *_, diff = write_changes(found, tmp_path / "shown")
    lines = diff.read_text().splitlines()
    assert lines[:2] == ["--- a/haproxy.cfg", "+++ b/haproxy.cfg"]
    assert next(line for line in lines if line.startswith("-  ")) == "-  bind :80"
    assert "@BACKEND_2@" in (tmp_path / "shown" / "haproxy.cfg").read_text()


@pytest.mark.parametrize(
    ("name", "text", "program"),
    [
        ("prod.cfg", "", "haproxy"),
        ("my-nginx.txt", "", "nginx"),
        ("lb.txt", "global\n  daemon\n" + ONE, "haproxy"),
        ("site", "http {\n  upstream app { }\n}\n", "nginx"),
        ("boot.yaml", "static_resources:\n  listeners: []\n", "envoy"),
        ("static.yml", "entryPoints:\n  web: {}\n", "traefik"),
        ("static.toml", "[entryPoints]\n", "traefik"),
        ("site.txt", "example.test {\n\treverse_proxy a b\n}\n", "caddy"),
        ("ours.yaml", "version: 1\ndiscovery: {kind: static}\n", "reroute"),
        ("notes.txt", "nothing of the kind\n", ""),
    ],
)
def test_the_program_is_guessed_by_name_then_by_content(tmp_path: Path, name: str, text: str, program: str) -> None:
    (tmp_path / name).write_text(text)
    assert guess([str(tmp_path / name)]) == program


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    for name in ("20-b.cfg", "10-a.cfg", "README"):
        (tmp_path / name).write_text("")
    assert names(collect([str(tmp_path)], haproxy())) == ["10-a.cfg", "20-b.cfg"]
    with pytest.raises(BadArgumentsError, match=r"there is no file .*/none\.cfg"):
        collect([str(tmp_path / "none.cfg")], haproxy())
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadArgumentsError, match=r"no file in .*/empty is called \*\.cfg"):
        collect([str(tmp_path / "empty")], haproxy())


def test_only_the_labs_placeholders_count(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text("server a @HOME@:80 # me@EXAMPLE.test\n")
    assert not has_placeholders([file])
    file.write_text("server a @BACKEND_1@\n")
    assert has_placeholders([file])


def test_what_the_program_says_of_both_files_is_the_users_mistake() -> None:
    ours = ["[ALERT] (12) : config : parsing [/run/x/haproxy.cfg:7] : unknown keyword 'retires'", "Fatal errors found."]
    theirs = ["[ALERT] (99) : config : parsing [/etc/haproxy.cfg:7] : unknown keyword 'retires'", "Fatal errors found."]
    assert same_words(ours, theirs) == tuple(ours[:1])
    assert same_words(ours, theirs[1:]) == ()
    # A time is no place in a file.
    warned = '2026/11/27 23:32:27 [warn] 7#7: the "user" directive is ignored in command line'
    assert same_words([warned], [warned]) == ()


def names(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]
