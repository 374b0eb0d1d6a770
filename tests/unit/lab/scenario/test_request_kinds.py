"""Kinds of requests to any application: what may be written, and what is said about everything else."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from lab.scenario.file_reader import load_scenario, parse_scenario
from lab.scenario.library import find, names
from lab.scenario.model_file import ModelFileError
from lab.scenario.plan import Plan, PlannedExchange, PlannedRequest
from lab.scenario.planner import make_plan

TEXT = """\
version: 1
title: Another application
load:
  rate: 100/s
  mix:
    - request: POST /api/orders?dry=1
      share: 100%
{fields}steps:
  - {{fault: kill, duration: 1s}}
expect: {{}}
"""


def scenario(*lines: str, request: str = "POST /api/orders?dry=1") -> str:
    text = TEXT.format(fields="".join(f"      {line}\n" for line in lines))
    return text.replace("POST /api/orders?dry=1", request)


def planned(text: str, *, own_backends: bool = True) -> PlannedRequest:
    (kind,) = make_plan(parse_scenario(text, "x.yaml"), "x", 1, own_backends=own_backends).load.mix
    return kind


def complaints(text: str, file: str = "x.yaml") -> list[str]:
    with pytest.raises(ModelFileError) as caught:
        parse_scenario(text, file)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), PlannedExchange()),
        (("headers: {Accept: text/html, Host: 'shop.example:8443'}",),
         PlannedExchange(headers=(("Accept", "text/html"), ("Host", "shop.example:8443")))),
        (("status: 404",), PlannedExchange(statuses=("404",))),
        (("status: 2XX",), PlannedExchange(statuses=("2xx",))),
        (("status: [201, 4xx]",), PlannedExchange(statuses=("201", "4xx"))),
        (("answer: {contains: 'id'}",), PlannedExchange(contains="id")),
        (("answer: {json: {/a~1b: 1, /ok: true, /x/0: null}}",),
         PlannedExchange(json=(("/a~1b", 1), ("/ok", True), ("/x/0", None)))),
        (("idempotent: true",), PlannedExchange(idempotent=True)),
        (("body_text: |", "  {\"id\": 1}"), PlannedExchange(body=base64.b64encode(b'{"id": 1}\n').decode())),
    ],
)  # fmt: skip
def test_each_field_is_in_the_plan_and_survives_its_file(lines: tuple[str, ...], expected: PlannedExchange) -> None:
    kind = planned(scenario(*lines))
    assert kind == PlannedRequest("POST", "/api/orders?dry=1", 1.0, 0, expected)
    plan = make_plan(parse_scenario(scenario(*lines), "x.yaml"), "x", 1)
    assert plan.schema == 4
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_reaches_every_path(method: str) -> None:
    kind = planned(scenario("status: 2xx", request=f"{method} /any"))
    assert (kind.method, kind.path) == (method, "/any")


@pytest.mark.parametrize(
    ("request_line", "size", "is_job"),
    [("POST /jobs", 0, True), ("PUT /echo", 1024, False), ("WS /ws", 64, False), ("GET /anything", 0, False)],
)
def test_requests_to_the_labs_own_backends_keep_their_meaning(request_line: str, size: int, is_job: bool) -> None:
    kind = planned(scenario(request=request_line))
    assert (kind.exchange, kind.body_bytes, kind.is_job) == (None, size, is_job)


@pytest.mark.parametrize("request_line", ["POST /jobs", "PUT /echo", "GET /stream"])
def test_the_same_requests_to_other_backends_are_generic(request_line: str) -> None:
    kind = planned(scenario(request=request_line), own_backends=False)
    assert (kind.exchange, kind.body_bytes, kind.is_job) == (PlannedExchange(), 0, False)
    assert planned(scenario("status: 201", request=request_line)).exchange == PlannedExchange(statuses=("201",))


def test_a_body_of_a_size_is_generated_for_any_put() -> None:
    kind = planned(scenario("body: 4KiB", request="PUT /files/1"))
    assert (kind.body_bytes, kind.exchange) == (4096, PlannedExchange())


def test_a_body_file_is_read_beside_the_scenario_and_kept_in_the_plan(tmp_path: Path) -> None:
    (tmp_path / "bodies").mkdir()
    (tmp_path / "bodies/order").write_bytes(bytes(range(256)))
    path = tmp_path / "own.yaml"
    path.write_text(scenario("body_file: bodies/order"))
    plan = make_plan(load_scenario(path), "own", 1)
    (tmp_path / "bodies/order").unlink()
    (kind,) = Plan.from_json(plan.to_json()).load.mix
    assert kind.exchange is not None
    assert base64.b64decode(kind.exchange.body) == bytes(range(256))


@pytest.mark.parametrize("name", names())
def test_plans_without_the_new_fields_are_written_as_before(name: str) -> None:
    text = make_plan(load_scenario(find(name)), name, 1).to_json()
    assert '"schema": 3,' in text
    assert "exchange" not in text


def test_the_schema_follows_the_mix() -> None:
    old = make_plan(load_scenario(find("kill")), "kill", 1)
    kind = replace(old.load.mix[0], exchange=PlannedExchange())
    assert (old.schema, replace(old, load=replace(old.load, mix=(kind,))).schema) == (3, 4)


MANY = "b" * (1024 * 1024 + 1)


@pytest.mark.parametrize(
    ("request_line", "line", "complaint"),
    [
        ("FETCH /a", "status: 200", "x.yaml:6: load.mix[0]: expected a method (GET, HEAD, OPTIONS, POST, PUT, PATCH,"),
        ("GET a", "status: 200", "x.yaml:6: load.mix[0]: expected a method"),
        ("GET /a b", "status: 200", "x.yaml:6: load.mix[0]: expected a method"),
        ("WS /chat", "body: 10B", "expected 'WS /ws'"),
        ("WS /ws", "status: 200", "expected 'WS /ws'"),
        ("HEAD /a", "body_text: x", "expected neither a body nor an answer with HEAD"),
        ("HEAD /a", "answer: {contains: x}", "expected neither a body nor an answer with HEAD"),
        ("GET /a", "body: 1KiB", "expected a body of a size only with PUT, PATCH, WS, and POST other than /jobs"),
        ("POST /jobs", "body: 1KiB", "expected a body of a size only with"),
        ("POST /a", "body: 1KiB\n      body_text: x", "expected one of body, body_file and body_text"),
        ("GET /a", "headers: [a]", "x.yaml:8: load.mix[0].headers: expected a mapping of names to values"),
        ("GET /a", "headers: {'a b': c}", "x.yaml:8: load.mix[0].headers: expected names of headers"),
        ("GET /a", r'headers: {a: "b\r\nc: d"}', "expected text of printable ASCII characters, on one line and quoted"),
        ("GET /a", "headers: {a: 5}", "expected text of printable ASCII characters, on one line and quoted, as a; got"),
        ("GET /a", "headers: {a: ä}", "expected text of printable ASCII characters"),
        ("GET /a", "headers: {Content-Length: '5'}", "expected headers without Content-Length"),
        ("GET /a", "headers: {transfer-encoding: chunked}", "expected headers without transfer-encoding"),
        ("GET /a", "headers: {Connection: close}", "expected headers without Connection"),
        ("GET /a", "headers: {Host: 'a/b'}", "expected a host name or address, with or without a port, as Host"),
        ("GET /a", "headers: {a: x, A: y}", "expected each header once"),
        ("GET /a", "status: 99", "x.yaml:8: load.mix[0].status: expected a status from 200 to 599, a class such as"),
        ("GET /a", "status: 101", "expected a status from 200 to 599"),
        ("GET /a", "status: []", "expected a status from 200 to 599"),
        ("GET /a", "status: true", "expected a status from 200 to 599"),
        ("GET /a", "answer: x", "x.yaml:8: load.mix[0].answer: "),
        ("GET /a", "answer: {}", "x.yaml:8: load.mix[0].answer: expected either contains or json"),
        ("GET /a", "answer: {contains: x, json: {/a: 1}}", "expected either contains or json"),
        ("GET /a", "answer: {contians: x}", "a known field here (did you mean contains?); known are contains, json"),
        ("GET /a", "answer: {json: {a: 1}}", "x.yaml:8: load.mix[0].answer.json: expected a JSON pointer, such as /s"),
        ("GET /a", "answer: {json: {/a~2: 1}}", "expected a JSON pointer"),
        ("GET /a", "answer: {json: {/a: [1]}}", "expected text, a number, true, false or null for /a"),
        ("GET /a", "answer: {json: {/a: .nan}}", "expected text, a number, true, false or null for /a"),
        ("GET /a", "answer: {json: {/a: 2020-01-01}}", "expected text, a number, true, false or null for /a"),
        ("GET /a", "idempotent: 1", "x.yaml:8: load.mix[0].idempotent: "),
        ("GET /a", "body_file: no-such-file", "x.yaml:8: load.mix[0].body_file: expected a file that exists; got"),
        ("GET /a", "body_file: /dev/zero", "expected a file that exists; got '/dev/zero'"),
        ("GET /a", r'body_file: "a\0b"', "expected a file that"),
        ("GET /a", "body_file: 5", "expected the path of a file; got 5"),
        ("GET /a", "body_text: 5", "expected text, quoted or after `|`; got 5"),
        ("GET /a", "bodyfile: x", "is not a known field here (did you mean body_file?)"),
    ],
)  # fmt: skip
def test_each_mistake_is_said_with_its_place(request_line: str, line: str, complaint: str) -> None:
    said = complaints(scenario(line, request=request_line))
    assert len(said) == 1
    assert complaint in said[0]


def test_a_body_file_of_more_than_a_mebibyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_text(MANY)
    (said,) = complaints(scenario("body_file: large"), str(tmp_path / "own.yaml"))
    assert "own.yaml:8: load.mix[0].body_file: expected a file of at most 1 MiB; got" in said
