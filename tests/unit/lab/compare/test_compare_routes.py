"""Which entries are imported, and how many backends their labs have."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.balancers.selection import Choice
from lab.compare.configs import changes
from lab.compare.document import OWN, Comparison
from lab.compare.entries import from_adapters, from_files, note_sources, with_routes
from lab.compare.runner import Entry
from lab.errors import BadArgumentsError

FOUR = "".join(f"  server s{number} 10.0.0.{number}:80 check maxconn 9 agent-check\n" for number in range(1, 5))
TEXT = f"frontend web\n  bind :80\n  default_backend app\nbackend app\n{FOUR}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "haproxy.cfg"
    path.write_text(TEXT)
    return path


def comparison() -> Comparison:
    return Comparison(1, "mixed", "a machine", "today")


def test_all_entries_get_as_many_backends_as_the_imported_pool_has_servers(file: Path) -> None:
    found = [*from_adapters(["nginx"], ["matched"], comparison()), *from_files([str(file)], [])]
    found += [Entry(Choice("url", url="http://127.0.0.1:9", relay_ports=(1, 2, 3)), OWN)]
    adapter, imported, url = (each.choice for each in with_routes(found, "", ""))
    assert (adapter.backends, imported.backends, url.backends) == (4, 4, 0)
    assert (imported.listener, imported.pool) == ("haproxy.cfg:1", "haproxy.cfg:4")
    assert Choice.from_json(imported.to_json()).texts() == imported.imported().texts()


def test_files_with_placeholders_or_replacements_are_used_as_they_are(file: Path) -> None:
    (given,) = with_routes(from_files([str(file)], ["10.0.0.1:80=BACKEND_1"]), "", "")
    assert (given.choice.pool, given.choice.backends) == ("", 0)
    file.write_text(TEXT.replace("10.0.0.1:80", "@BACKEND_1@"))
    (given,) = with_routes(from_files([str(file)], []), "", "")
    assert given.choice.texts() == {file: file.read_text()}


def test_a_path_that_the_listener_asks_for_begins_all_paths(tmp_path: Path) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(
        "events {}\nhttp {\n upstream app { server 10.0.0.1:80; server 10.0.0.2:80; }\n server {\n  listen 80;\n"
        "  server_name app.example.test;\n  location /v1/ { proxy_pass http://app; }\n }\n}\n"
    )
    (given,) = with_routes(from_files([str(path)], []), "", "")
    assert (given.choice.prefix, given.choice.health, given.choice.host) == ("/v1", "/v1/health", "app.example.test")


def test_changes_and_unknown_directives_are_told(file: Path) -> None:
    (entry,) = with_routes(from_files([str(file)], []), "", "")
    lines = list(changes(entry.choice))
    assert lines[0].startswith(
        "haproxy (haproxy.cfg): requests take web (haproxy.cfg:1) → app (haproxy.cfg:4), 4 servers"
    )
    assert lines[1] == "  haproxy.cfg:2: :80 → @LISTEN@ (the lab's requests enter here)"
    assert sum("may affect failover" in line for line in lines) == 4, "agent-check is removed, and not told twice"
    assert lines[-1] == "  haproxy.cfg:8: maxconn 9 may affect failover; it stays as it is"


def test_two_pools_of_one_file_are_two_contents(file: Path) -> None:
    file.write_text(TEXT.replace("bind :80\n", "bind :80\n  use_backend b if { path / }\n") + f"backend b\n{FOUR}")
    one, other = (with_routes(from_files([str(file)], []), "", pool) for pool in ("app", "b"))
    known = comparison()
    note_sources(one, known)
    note_sources(one, known)
    with pytest.raises(BadArgumentsError, match="is in the comparison already, with other content"):
        note_sources(other, known)
