"""The chaos service's own protocol, without sockets; `tests/integration/test_port_clocks.py` has its clocks."""

from __future__ import annotations

from typing import Any

import uvicorn
from uvicorn.server import ServerState

from chaos.http.connection import Patience, connections
from tests.support.wires import Wire, turns


async def refuse(_: Any, __: Any, send: Any) -> None:
    """An application that answers before the body has come."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def test_nonsense_in_the_body_of_a_call_that_was_refused_ends_the_connection_without_an_exception() -> None:
    config = uvicorn.Config(refuse, ws="none", lifespan="off", log_config=None)
    config.load()
    wire = Wire(connections(Patience(10.0, 10.0))(config=config, server_state=ServerState(), app_state={}))
    wire.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    await turns()
    assert wire.written.startswith(b"HTTP/1.1 401 ")
    wire.feed(b"this is no chunk\r\n\r\n")
    assert wire.ended == "close"
    assert wire.written.count(b"HTTP/1.1 ") == 1
