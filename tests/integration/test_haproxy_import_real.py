"""HAProxy itself accepts each file of the corpus once it is imported, and tells whose mistake a refusal is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.balancers import adapter
from lab.balancers.adapter import Missing
from lab.balancers.importing import collect, import_files
from lab.balancers.running import RejectedConfigError
from lab.balancers.selection import Choice, Prepared, Wanted, prepare

CORPUS = Path(__file__).parent.parent / "corpus" / "haproxy"
pytestmark = pytest.mark.skipif(isinstance(adapter("haproxy").find(), Missing), reason="HAProxy is not installed")


def prepared(words: list[str], folder: Path, pool: str = "") -> Prepared:
    own = adapter("haproxy").own_files
    assert own is not None
    files = collect(words, own)
    route = import_files("haproxy", files, pool=pool).route
    choice = Choice(
        "mine",
        adapter="haproxy",
        files=tuple(map(str, files)),
        listener=str(route.listener.place),
        pool=str(route.pool.place),
    )
    backends = {f"api-{number}": f"127.0.0.1:2810{number}" for number in range(1, len(route.pool.servers) + 1)}
    found = prepare(choice, Wanted("127.0.0.1:28100", "127.0.0.1:28109", backends), folder)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "pool"),
    [
        ("debian-app.cfg", ""),
        ("tls-acl.cfg", "api"),
        ("tls-acl.cfg", "web"),
        ("conf.d", ""),
        ("defaults-inherited.cfg", ""),
        ("tcp-http.cfg", ""),
        ("latin1.cfg", ""),
    ],
)
def test_haproxy_accepts_each_file_of_the_corpus(name: str, pool: str, tmp_path: Path) -> None:
    command = prepared([str(CORPUS / name)], tmp_path, pool)
    assert "-db" in command.argv


def test_a_users_mistake_is_told_in_haproxys_own_words(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    file = tmp_path / "haproxy.cfg"
    file.write_bytes((CORPUS / "latin1.cfg").read_bytes().replace(b"timeout client", b"timeout klient"))
    with pytest.raises(RejectedConfigError, match="your own file, too") as error:
        prepared([str(file)], tmp_path / "run")
    assert "haproxy.cfg:10" in error.value.details[0]
    assert "klient" in error.value.details[0]


def test_a_mistake_of_the_lab_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.balancers.haproxy.edits.CLOSED", "127.0.0.1:none")
    with pytest.raises(RejectedConfigError, match="not your own file: the lab changed it wrongly") as error:
        prepared([str(CORPUS / "defaults-inherited.cfg")], tmp_path)
    assert "--show-changes" in error.value.next_step
