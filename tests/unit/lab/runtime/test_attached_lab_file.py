"""The lab file: what it accepts, and how it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.runtime.attached import LAB_FILE, find_file
from lab.runtime.attached.lab_file import parse_lab_file
from lab.runtime.selection import RuntimeName, searched
from lab.scenario.model_file import ModelFileError

WHOLE = """\
version: 1
compose: compose.yaml
traffic: http://127.0.0.1:8088/
backends: {services: [web], port: 8000, health: /healthz}
balancer: {service: proxy, config: [haproxy.cfg]}
identify: json:/host
requests:
- {request: GET /, share: 90%}
- {request: GET /prices, share: 10%}
expect: {reroute: 2s, idempotent_failures: 3}
"""


def test_a_whole_file_is_read() -> None:
    found = parse_lab_file(WHOLE, Path("/somewhere/lab.yaml"))
    assert found.content.compose == ("compose.yaml",)
    assert found.content.asked == "/"
    assert found.beside("haproxy.cfg") == Path("/somewhere/haproxy.cfg")
    assert found.content.expect.reroute == 2.0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1", "version: 2", "x.yaml:1: version"),
        ("services: [web]", "services: []", "x.yaml:4: backends.services"),
        ("services: [web]", "services: ['web;rm']", "x.yaml:4: backends.services[0]"),
        ("port: 8000", "port: 0", "x.yaml:4: backends.port"),
        ("port: 8000", "port: '8000'", "x.yaml:4: backends.port: expected a whole number"),
        ("health: /healthz", "health: healthz", "x.yaml:4: backends.health"),
        ("http://127.0.0.1:8088/", "127.0.0.1:8088", "x.yaml:3: traffic: expected a URL such as"),
        ("http://127.0.0.1:8088/", "ftp://127.0.0.1/", "x.yaml:3: traffic: expected a URL such as"),
        ("json:/host", "body", "x.yaml:6: identify: "),
        ("share: 10%", "share: 20%", "expected the shares of the mix to add up to 100%"),
        ("reroute: 2s", "reroute: 2", "x.yaml:10: expect.reroute: expected a duration"),
        ("reroute: 2s", "reroute: 0s", "x.yaml:10: expect.reroute"),
        ("identify:", "identity:", "x.yaml:6: identity: is not a known field here (did you mean identify?)"),
        ("compose: compose.yaml\n", "", "compose: is required"),
        ("GET /prices", "get /prices", "x.yaml:9: requests[1]"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, told: str) -> None:
    assert old in WHOLE
    with pytest.raises(ModelFileError) as refused:
        parse_lab_file(WHOLE.replace(old, new), Path("x.yaml"))
    assert told in str(refused.value)
    assert "docs/attach.md" in refused.value.next_step


def test_without_a_get_the_question_is_required() -> None:
    posts = WHOLE.replace("GET /prices", "POST /jobs").replace("GET /,", "POST /jobs,")
    with pytest.raises(ModelFileError, match="expected `question`"):
        parse_lab_file(posts, Path("x.yaml"))
    assert parse_lab_file(f"{posts}question: /healthz\n", Path("x.yaml")).content.asked == "/healthz"


def test_an_answer_is_good_as_the_kind_of_request_says() -> None:
    assert parse_lab_file(WHOLE, Path("x.yaml")).content.good_statuses == ()
    redirected = WHOLE.replace("{request: GET /, share: 90%}", "{request: GET /, share: 90%, status: 302}")
    assert parse_lab_file(redirected, Path("x.yaml")).content.good_statuses == ("302",)
    asked = parse_lab_file(f"{redirected}question: /prices\n", Path("x.yaml"))
    assert asked.content.good_statuses == ()


def test_the_file_of_this_folder_makes_the_attached_project_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LAB_FILE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert find_file() is None
    assert searched(None) == [RuntimeName.LOCAL, RuntimeName.DOCKER]
    (tmp_path / "lab.yaml").write_text(WHOLE)
    assert searched(None) == [RuntimeName.ATTACHED]
    assert searched(RuntimeName.LOCAL) == [RuntimeName.LOCAL]


def test_a_named_file_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LAB_FILE, str(tmp_path / "none.yaml"))
    with pytest.raises(Exception, match=r"none\.yaml: there is no such file"):
        find_file()
    (tmp_path / "mine.yaml").write_text(WHOLE)
    monkeypatch.setenv(LAB_FILE, str(tmp_path / "mine.yaml"))
    assert find_file() == tmp_path / "mine.yaml"
