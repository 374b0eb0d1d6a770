"""A plain ASGI app that keeps notes. It knows nothing of the lab."""

import socket


async def app(scope, receive, send):
    """Answer every request with 200; `/` says which container answers."""
    if scope["type"] != "http":
        return
    body = f"notes of {socket.gethostname()}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
