"""A backend in a process of its own, which prints its port: `/large` is 4 MiB, everything else two bytes.

Four MiB are more than the kernel keeps for anybody, so that a client that does not read stops the backend. Its own send
buffer is small, since it stands for another host, whose memory is not the balancer's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

PIECE = 64 * 1024
LARGE = 4 * 1024 * 1024


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"\r\ncontent-length:" in head.lower():
                while await reader.read(PIECE):  # an upload, of which nobody waits for the answer
                    pass
                break
            await answer(writer, LARGE if b" /large " in head else 2)
    writer.close()


async def answer(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    for start in range(0, size, PIECE):
        writer.write(b"x" * min(PIECE, size - start))
        await writer.drain()


async def main() -> None:
    # Nagle's algorithm is off only where the protocol is named; else a delayed ACK adds 40 ms to every small answer.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
    sock.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=sock, backlog=1024)
    print(sock.getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
