"""Backends for a balancer process: stubs on loopback that pass its checks, and a configuration that names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.support.raw_http import OK, Peer, Stub, value_of


@asynccontextmanager
async def started(*stubs: Stub) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for stub in stubs:
            await stub.start()
            stack.push_async_callback(stub.stop)
        yield


def remembering(stub_id: str = "api-1", answer: bytes = OK) -> Stub:
    """A stub that answers every request and keeps the heads of those that are no health checks."""

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            await peer.reader.readexactly(int(value_of(head, b"content-length") or b"0"))
            if not head.startswith(b"GET /health "):
                stub.heads.append(head)
            await peer.send(answer)

    stub = Stub(stub_id, script)
    return stub


def naming(*stubs: Stub) -> str:
    """The `discovery` of a configuration."""
    entries = ", ".join(f"{{id: {stub.id}, address: '127.0.0.1:{stub.port}'}}" for stub in stubs)
    return f"discovery: {{kind: static, backends: [{entries}]}}\n"


def write(folder: Path, *parts: str) -> Path:
    """A configuration file of these parts; written anew it replaces the one before in one step."""
    path, draft = folder / "lb.yaml", folder / "lb.yaml.next"
    draft.write_text("".join(part if part.endswith("\n") else part + "\n" for part in parts))
    draft.replace(path)
    return path
