"""`python -IS chaos/netns/send_line.py SOCKET JSON`: hand a line to the helper and print its answer.

Imports next to nothing, because a fault waits for its start.
"""

import socket
import sys

TIMEOUT_S = 5.0


def tell(path: str, line: str) -> str:
    """Its answer, one line of JSON. Raises OSError where no helper listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(path)
        sock.sendall(line.encode() + b"\n")
        return sock.makefile().readline()


if __name__ == "__main__":
    sys.stdout.write(tell(*sys.argv[1:]))
