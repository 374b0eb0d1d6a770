"""The API against its own OpenAPI document: schemathesis finds no 5xx and no answer that the document does not promise,
and no route but `/healthz` answers without the token."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from chaos.engine.engine import Engine
from chaos.engine.events import EventLog
from chaos.engine.journal import Journal
from chaos.faults import FAULTS
from chaos.http.routes import create_app
from chaos.monkey.monkey_runner import MonkeyRunner
from tests.support.chaos_fakes import FakeRuntime
from tests.support.chaos_matrix import SAMPLES, sample_params
from tests.support.chaos_world import fast_probes
from tests.support.free_ports import free_port

TOKEN = "chaos-secret"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
KINDS = sorted(FAULTS)
NAMES = ("api-1", "api-2", "api-3")
STREAM = "/events"
"""Never ends, so it is asked by hand."""
PORT = free_port()
WITHIN_S = 10
EXAMPLES = 60
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@dataclass
class Service:
    url: str
    document: dict[str, Any]
    runtime: FakeRuntime

    def operations(self) -> list[tuple[str, str]]:
        """Every method and path of the document, ids filled in."""
        return [
            (method.upper(), path.replace("{fault_id}", "f1").replace("{monkey_id}", "m1"))
            for path, methods in self.document["paths"].items()
            for method in methods
        ]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real application on a real socket; its targets are a word each."""
    runtime, events = FakeRuntime(*NAMES), EventLog()
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    with pytest.MonkeyPatch.context() as patch:
        fast_probes(patch, runtime)
        app = make_app(runtime, events, tmp_path_factory.mktemp("state"))
        server = Server(uvicorn.Config(app, port=PORT, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        assert started.wait(20)
        url = f"http://127.0.0.1:{PORT}"
        document = requests.get(f"{url}/openapi.json", headers=AUTHORIZED, timeout=WITHIN_S).json()
        yield Service(url, document, runtime)
        events.close()
        server.should_exit = True
        thread.join(20)


def make_app(runtime: FakeRuntime, events: EventLog, directory: Path) -> Any:
    engine = Engine(runtime, Journal(directory), events, 300.0)
    return create_app(engine, runtime, events, MonkeyRunner(engine, runtime, events), TOKEN)


def inputs(operation: Any) -> tuple[Any, ...]:
    return operation.query, operation.path_parameters, operation.body


def operations() -> list[Any]:
    """Of the document (made without a service: pytest collects before anything runs), with what follows the schema and,
    where there is anything to get wrong, with what does not."""
    document = make_app(FakeRuntime(), EventLog(), Path()).openapi()
    found = schemathesis.openapi.from_dict(document).exclude(path=STREAM).get_all_operations()
    cases = [(result.ok(), mode) for result in found for mode in GenerationMode]
    return [
        pytest.param(operation, mode, id=f"{operation.label}-{mode.value}")
        for operation, mode in cases
        if mode is GenerationMode.POSITIVE
        or any(map(list, (operation.query, operation.path_parameters, operation.body)))
    ]


@pytest.mark.parametrize(("operation", "mode"), operations())
def test_every_answer_is_one_that_the_document_promises(service: Service, operation: Any, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def hold(case: Any) -> None:
        aim(case)
        requests.post(f"{service.url}/reset", headers=AUTHORIZED, timeout=WITHIN_S)  # or every other is a conflict
        response = case.call(base_url=service.url, headers=AUTHORIZED, timeout=WITHIN_S)
        case.validate_response(response, checks=CHECKS)

    hold()


def aim(case: Any) -> None:
    """Arbitrary orders and ids meet nothing but refusals: parts of most are turned into what gets through."""
    body = case.body
    if not isinstance(body, dict):
        return
    dice = zlib.crc32(repr(body).encode())
    if isinstance(body.get("target"), str) and dice % 4:
        body["target"] = NAMES[dice % len(NAMES)]
    if isinstance(body.get("duration"), str) and dice % 3:
        body["duration"] = "100ms"
    if dice % 5:
        body.pop("params", None)
    if dice % 7:
        body.pop("stop_when", None)


def values() -> st.SearchStrategy[Any]:
    """For a parameter: what some parameter accepts, what nearly is that, and anything that JSON can say."""
    nearly = [
        "0ms",
        "-1s",
        "1e400s",
        "\u0661\u0660%",
        "nan%",
        "100.1%",
        "1 ms",
        "0mbit",
        "9gbit",
        "netem",
        "nfqueue",
        "both",
    ]
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    nested = st.lists(anything, max_size=2) | st.dictionaries(st.text(max_size=3), anything, max_size=2)
    return st.sampled_from([*SAMPLES, *nearly, "api-2, api-3", "balancer", "pareto"]) | anything | nested


@pytest.mark.parametrize("kind", KINDS)
def test_any_parameters_of_any_kind_get_a_promised_answer(service: Service, kind: str) -> None:
    inject = schemathesis.openapi.from_dict(service.document)["/faults"]["POST"]
    known = {name: values() for name in FAULTS[kind].params.model_fields}

    @given(params=st.fixed_dictionaries({}, optional={**known, "unknown": values()}))
    @example(params={})
    @settings(max_examples=EXAMPLES // 3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def hold(params: dict[str, Any]) -> None:
        requests.post(f"{service.url}/reset", headers=AUTHORIZED, timeout=WITHIN_S)
        order = {"kind": kind, "target": NAMES[0], "duration": "100ms", "params": sample_params(kind) | params}
        case = inject.Case(body=order, media_type="application/json")
        response = case.call(base_url=service.url, headers=AUTHORIZED, timeout=WITHIN_S)
        case.validate_response(response, checks=CHECKS)
        if response.status_code == 422 and response.json()["error"] == "bad_request":
            assert "params" in response.json()["detail"], response.json()

    hold()


def test_fuzzing_meant_something(service: Service) -> None:
    """Orders of all kinds got through the checks."""
    faults = requests.get(f"{service.url}/faults", headers=AUTHORIZED, timeout=WITHIN_S).json()["faults"]
    assert {fault["kind"] for fault in faults} == set(KINDS)


def test_a_body_that_is_not_json_is_told_where(service: Service) -> None:
    headers = AUTHORIZED | {"Content-Type": "application/json"}
    response = requests.post(f"{service.url}/faults", data='{"kind": kill}', headers=headers, timeout=WITHIN_S)
    assert response.status_code == 422
    assert response.json()["detail"].startswith("body: not JSON at character 9: ")


@pytest.mark.parametrize("since", ["-1", "x", "1.5", "9" * 40, ""])
def test_a_bad_place_in_the_event_stream_is_told(service: Service, since: str) -> None:
    url = f"{service.url}{STREAM}?since={since}"
    with requests.get(url, headers=AUTHORIZED, stream=True, timeout=WITHIN_S) as response:
        assert response.status_code == (200 if since.isdecimal() else 422)


# --- who may ask ---
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Cookie": f"token={TOKEN}"},
    ],
    ids=str,
)
def test_every_route_but_healthz_is_401_without_the_token(service: Service, headers: dict[str, Any]) -> None:
    asked = [*service.operations(), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/nowhere"), ("PUT", "/faults")]
    assert len(asked) > 12
    for method, path in asked:
        response = requests.request(method, service.url + path, headers=headers, timeout=WITHIN_S)
        assert response.status_code == (200 if path == "/healthz" else 401), (method, path)
        if response.status_code == 401:
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.json()["error"] == "unauthorized"


def test_the_document_asks_for_the_token_where_the_service_does(service: Service) -> None:
    for path, methods in service.document["paths"].items():
        for method, operation in methods.items():
            assert bool(operation.get("security")) is (path != "/healthz"), (method, path)


def test_every_error_has_the_one_shape(service: Service) -> None:
    for path, methods in service.document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, (path, status)
