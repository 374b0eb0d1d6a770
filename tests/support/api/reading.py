"""Read a process' first line of output with a deadline."""

from __future__ import annotations

import select
import subprocess
import time


def read_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """The next line of stdout; `AssertionError` with stderr when the process ends or stays silent."""
    assert process.stdout is not None
    deadline, line = time.monotonic() + timeout_s, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        # One byte at a time from the raw descriptor: a buffered read could swallow lines that somebody waits for.
        piece = process.stdout.raw.read(1) if ready else b""  # type: ignore[attr-defined]
        if not piece:
            process.kill()
            _, stderr = process.communicate()
            raise AssertionError(f"no line in {timeout_s} s, got {line!r}; stderr: {stderr.decode()}")
        line += piece
    return line
