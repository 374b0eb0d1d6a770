from __future__ import annotations

import logging

import pytest

from chaos.engine.log_once import Outage
from chaos.errors import ConflictError, RuntimeUnavailableError


def test_an_outage_is_said_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("test"), "keeper")
    outage.succeeded()
    for _ in range(5):
        outage.failed(RuntimeUnavailableError("no engine"))
    for _ in range(5):
        outage.succeeded()
    lost, back = [record.getMessage() for record in caplog.records]
    assert lost.startswith("keeper: no engine")
    assert "again" in back


def test_another_reason_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("test"), "keeper")
    outage.failed(RuntimeUnavailableError("no engine"))
    outage.failed(ConflictError("in the way"))
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        "keeper: no engine",
        "keeper: in the way",
    ]
