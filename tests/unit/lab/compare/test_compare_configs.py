"""The folder of a comparison keeps every file that was used: as given, as run, and what was changed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from lab.compare import configs, entries
from lab.compare.configs import read_own, told_once, write_configs
from lab.compare.document import Comparison
from lab.compare.page import write_page
from lab.compare.runner import Entry
from tests.support.own_edits import CORPUS

PROD = (
    b"# r\xe9partiteur\n"  # Latin-1
    b"defaults\n mode http\n timeout connect 1s\n timeout client 9s\n timeout server 9s\n"
    b"frontend web\n bind :80\n default_backend app\n"
    b"backend app\n option httpchk GET /healthz\n server a 10.0.0.1:80 check\n server b 10.0.0.2:80 check\n"
)


def named(*words: str) -> list[Entry]:
    return entries.with_routes(entries.named(words, [], [], "local"), "", "")


@pytest.fixture
def prod(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "haproxy.cfg"
    path.parent.mkdir()
    path.write_bytes(PROD)
    return path


def test_a_users_files_are_kept_as_given_and_as_run_with_every_change(prod: Path, tmp_path: Path) -> None:
    write_configs(named(f"old={prod}"), tmp_path)
    folder = tmp_path / "configs/old"
    assert (folder / "original/haproxy.cfg").read_bytes() == PROD
    changed = (folder / "changed/haproxy.cfg").read_bytes()
    assert b"server a 127.0.0.1:9001 check" in changed
    assert b"# r\xe9partiteur" in changed
    told = (folder / "changes.txt").read_text()
    assert "haproxy.cfg:12: 10.0.0.1:80 → @BACKEND_1@" in told
    # The difference leads from one to the other.
    subprocess.run(["patch", "-s", "-p1", "-i", folder / "changes.diff"], cwd=folder / "original", check=True)
    assert (folder / "original/haproxy.cfg").read_bytes() == changed


@pytest.mark.parametrize("main", ["nginx/debian/nginx.conf", "caddy/sites/Caddyfile", "traefik/folder/traefik.yaml"])
def test_included_files_keep_their_folders(main: str, tmp_path: Path) -> None:
    chosen = entries.named([f"mine={CORPUS / main}"], [], [], "local")
    choice = chosen[0].choice
    own = configs.adapter(choice.adapter).own_files
    assert own is not None
    pool = next(each for each in own.read([CORPUS / main]).pools if len(each.servers) > 1)
    write_configs(entries.with_routes(chosen, "", str(pool.place)), tmp_path)
    original = tmp_path / "configs/mine/original"
    copies = {each.relative_to(original): each.read_bytes() for each in original.rglob("*") if each.is_file()}
    assert len(copies) > 1
    home = (CORPUS / main).parent
    assert copies == {each: (home / each).read_bytes() for each in copies}
    changed = tmp_path / "configs/mine/changed"
    assert {each.relative_to(changed) for each in changed.rglob("*") if each.is_file()} == set(copies)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "it has a private key"),
        ("-----BEGIN CERTIFICATE-----\nMIIE\n-----BEGIN PRIVATE KEY-----\nMIIE\n", "it has a private key"),
        ("# staff\nanna:$apr1$x$y\nben:{SHA}abc=\n", "it has passwords"),
        ("anna:rl5gQXTQz2Nwo\n", "it has passwords"),
        ("x" * (configs.MOST_BYTES + 1), "more than 4 MiB"),
    ],
)
def test_keys_passwords_and_large_files_are_not_copied(content: str, why: str, prod: Path, tmp_path: Path) -> None:
    beside = prod.with_name("beside.txt")
    beside.write_text(content)
    marked = PROD.replace(b":80\n d", b"@LISTEN@\n d").replace(b"10.0.0.1:80", b"@BACKEND_1@")
    prod.write_bytes(marked.replace(b"10.0.0.2:80", b"@BACKEND_2@ check\n server c @BACKEND_3@"))
    write_configs(named(f"old=haproxy:{prod},{beside}"), tmp_path)
    copies = {each.name for each in (tmp_path / "configs").rglob("*") if each.is_file()}
    assert copies == {"haproxy.cfg", "changes.txt", "changes.diff"}
    (own,) = read_own(tmp_path)
    assert re.search(rf"beside.txt is not copied: .*{why}", own.changes)
    assert content[:40] not in (tmp_path / "configs/old/changes.diff").read_text(errors="replace")


def test_replaced_addresses_are_told(prod: Path, tmp_path: Path) -> None:
    pairs = [":80=LISTEN", "10.0.0.1:80=BACKEND_1", "10.0.0.2:80=BACKEND_2", "10.0.0.3:80=BACKEND_3"]
    prod.write_bytes(PROD + b" server c 10.0.0.3:80\n")
    write_configs(entries.from_files([str(prod)], pairs), tmp_path)
    told = (tmp_path / "configs/haproxy-haproxy.cfg/changes.txt").read_text()
    assert "10.0.0.1:80 → @BACKEND_1@ (--replace)" in told


def test_the_page_links_every_file(prod: Path, tmp_path: Path) -> None:
    write_configs(named(f"old={prod}", f"new file={prod}"), tmp_path)
    write_page(Comparison(1, "mixed", "a machine", "today"), tmp_path)
    page = (tmp_path / "compare.html").read_text()
    links = [unquote(each) for each in re.findall(r'href="([^"]+)"', page)]
    assert [each for each in links if "/original/" in each] == [
        "configs/new-file/original/haproxy.cfg",
        "configs/old/original/haproxy.cfg",
    ]
    assert all((tmp_path / each).is_file() for each in links)
    assert len(links) == 6


def test_entries_whose_names_differ_only_in_signs_have_folders_of_their_own(prod: Path, tmp_path: Path) -> None:
    write_configs(named(f"a b={prod}", f"a-b={prod}"), tmp_path)
    assert {each.name for each in (tmp_path / "configs").iterdir()} == {"a-b", "a-b~2"}
    # A later command of the same comparison finds the same folders.
    write_configs(named(f"a-b={prod}"), tmp_path, ["a b", "a-b"])
    assert {each.name for each in (tmp_path / "configs").iterdir()} == {"a-b", "a-b~2"}


def test_what_two_versions_of_a_file_share_is_told_once(prod: Path) -> None:
    new = prod.with_name("new.cfg")
    new.write_bytes(PROD.replace(b"mode http", b"mode http\n log /dev/log local0"))
    lines = list(told_once([each.choice for each in named(f"old={prod}", f"new={new}")]))
    assert sum("backend of the lab for 10.0.0.1:80" in line for line in lines) == 1
    assert lines[-3].startswith("new: requests take web (new.cfg:8) → app (new.cfg:11), 2 servers")
    assert lines[-2].startswith("  new.cfg:4: /dev/log → stdout format raw")
    assert lines[-1] == "  and 4 of the changes of old"


def test_an_entry_may_be_what_the_lab_renders(tmp_path: Path) -> None:
    write_configs(named("usual=haproxy"), tmp_path)
    assert "timeout check 400ms" in (tmp_path / "configs/usual/haproxy.cfg").read_text()
