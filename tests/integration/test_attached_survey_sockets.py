"""What `lab attach` finds out from a balancer's answers, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from lab.runtime.attached.attaching import survey
from lab.runtime.attached.lab_file import parse_lab_file
from lab.runtime.attached.their_project import Container
from lab.services.endpoints import Endpoints

LAB_FILE = """\
version: 1
compose: compose.yaml
traffic: http://127.0.0.1:1/
backends: {services: [web], port: 8000}
requests: [{request: GET /, share: 100%}]
"""


def container(number: int) -> Container:
    identity = str(number) * 64
    return Container(identity, "web", f"web-{number}", f"web-{number}", identity[:12], True, {}, "none", (8000,))


@contextlib.contextmanager
def balancer(names: list[str]) -> Iterator[str]:
    """Answers with a JSON body that comes in two parts, the name in the second; yields its URL."""
    loop = asyncio.new_event_loop()
    asked = iter(range(10_000))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"padding": "x" * 2000, "host": names[next(asked) % len(names)]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:1000])
        await writer.drain()
        await asyncio.sleep(0.05)  # so that the client reads the first part alone
        writer.write(body[1000:])
        await writer.drain()
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_name_in_the_second_part_of_a_body_is_found(tmp_path: Path) -> None:
    backends = [container(1), container(2)]
    found = parse_lab_file(LAB_FILE, tmp_path / "lab.yaml")
    with balancer([each.hostname for each in backends]) as url:
        naming, answers = survey(found, Endpoints(url, "", "", "", "attached"), backends)
    assert len(answers) == 16
    assert naming is not None
    assert (naming.identify, naming.seen) == ("json:/host", ("web-1", "web-2"))
