from __future__ import annotations

import logging

import pytest

from chaos.engine.log_once import LogOnce
from chaos.errors import ConflictError, RuntimeUnavailableError


def test_a_failure_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    failures = LogOnce(logging.getLogger("test"), "keeper")
    failures.succeeded()
    for _ in range(5):
        failures.failed(RuntimeUnavailableError("no engine"))
    for _ in range(5):
        failures.succeeded()
    lost, back = [record.getMessage() for record in caplog.records]
    assert lost.startswith("keeper: no engine")
    assert back == "keeper: recovered from runtime_unavailable"


def test_another_reason_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    failures = LogOnce(logging.getLogger("test"), "keeper")
    failures.failed(RuntimeUnavailableError("no engine"))
    failures.failed(ConflictError("in the way"))
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "keeper: no engine",
        "keeper: in the way",
    ]
