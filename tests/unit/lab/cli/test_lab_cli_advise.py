from __future__ import annotations

import json
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lab.cli.app import run
from lb.config.schema import Config
from lb.core.bounds import bounds
from lb.core.settings import Settings

GOOD = """
defaults
    mode http
    timeout connect 250ms
    timeout server 1s
    timeout check 400ms
    retries 1
    option redispatch 1
    option httpchk GET /health
    default-server check inter 500ms fastinter 100ms fall 2 pool-purge-delay 4s

frontend web
    bind 127.0.0.1:8080
    default_backend app

backend app
    server a 127.0.0.1:9001
    server b 127.0.0.1:9002
"""


@pytest.fixture
def prod(tmp_path: Path) -> Path:
    file = tmp_path / "haproxy.cfg"
    file.write_text(GOOD)
    return file


def test_nothing_dangerous_is_exit_code_0(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", str(prod)]) == 0
    assert "nothing dangerous was found" in capsys.readouterr().out


def test_files_may_be_separated_by_commas_as_in_lab_compare(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _, rest = GOOD.partition("\nbackend app")
    prod.write_text(f"{first}\n")
    more = prod.with_name("more.cfg")
    more.write_text(f"backend app{rest}")
    for arguments in ([f"{prod},{more}"], [str(prod), str(more)]):
        assert run(["advise", *arguments]) == 0
        assert "app (more.cfg:1), 2 servers" in capsys.readouterr().out


def test_a_danger_is_exit_code_1_and_names_its_line(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prod.write_text(GOOD.replace("timeout server 1s", "timeout server 1h"))
    assert run(["advise", str(prod), "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["rule"], found["line"]) == ("longer-than-client", 5)
    assert run(["advise", str(prod), "--client-timeout", "2h"]) == 0


@pytest.mark.parametrize(
    "options",
    [["--rate", "0/s"], ["--rate", "200"], ["--posts", "200%"], ["--adapter", "nobody"], ["--pool", "other"]],
)
def test_bad_arguments_are_exit_code_254(prod: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", str(prod), *options]) == 254
    assert capsys.readouterr().err.startswith("lab: ")


def test_a_program_without_a_reader_is_a_bad_argument(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", str(prod), "--adapter", "reroute"]) == 254
    assert "cannot read files of reroute" in capsys.readouterr().err


def test_more_requests_are_more_requests_at_risk(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow = []
    for rate in ("100/s", "1000/s"):
        run(["advise", str(prod), "--format", "json", "--rate", rate])
        pause = json.loads(capsys.readouterr().out)["predictions"][1]
        slow.append(pause["at_risk"]["get"]["failed"])
    assert slow[1] == pytest.approx(10 * slow[0], rel=0.02)


class _Admin(BaseHTTPRequestHandler):
    """The three answers of Reroute's admin API that the adviser reads, for its default settings."""

    def do_GET(self) -> None:
        backends = [{"id": "a", "address": "10.0.0.1:80"}, {"id": "b", "address": "10.0.0.2:80"}]
        answers = {
            "/config": Config.model_validate({"discovery": {"kind": "static", "backends": backends}}).printable(),
            "/backends": {"backends": backends},
            "/bounds": {"bounds": [asdict(each) for each in bounds(Settings())]},
        }
        body = json.dumps(answers[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


def test_a_running_reroute_is_asked_for_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    with HTTPServer(("127.0.0.1", 0), _Admin) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        code = run(["advise", f"http://127.0.0.1:{server.server_port}", "--format", "json"])
        server.shutdown()
    document = json.loads(capsys.readouterr().out)
    published = {each.fault: each for each in bounds(Settings())}
    predicted = {each["fault"]: each["notice"]["worst"]["seconds"] for each in document["predictions"]}
    assert predicted["pause"] == published["pause"].reroute_traffic_s
    assert predicted["drain"] == published["unhealthy"].reroute_s
    assert (code, [each for each in document["findings"] if each["severity"] == "danger"]) == (0, [])


def test_an_address_where_nothing_answers_is_a_bad_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", "http://127.0.0.1:9"]) == 254
    assert "is not the admin API of a running Reroute" in capsys.readouterr().err
