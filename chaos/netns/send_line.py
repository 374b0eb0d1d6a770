"""`python -IS chaos/netns/send_line.py SOCKET JSON`: send a line to the helper and print its answer.

It imports as little as possible, because every added fault waits until it has started.
"""

import socket
import sys

TIMEOUT_S = 5.0


def send(path: str, line: str) -> str:
    """Send a line and return the answer, which is one line of JSON. Raise OSError if no helper listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(path)
        sock.sendall(line.encode() + b"\n")
        return sock.makefile().readline()


if __name__ == "__main__":
    sys.stdout.write(send(*sys.argv[1:]))
