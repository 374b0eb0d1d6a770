"""Load by wrk, one thread of which saturates any balancer on one core."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from ...balancers.adapter import Command
from ...balancers.running import spawn, stop, tail
from ...errors import EnvironmentProblemError
from .closed_loop import LoadResult, Shape

_SECONDS_PER = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TOTAL = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h),")
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m|h)$", re.MULTILINE)
_BAD_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_GRACE_S = 15.0


def find() -> str | None:
    """Return the path of wrk, or None if it is not installed."""
    return shutil.which("wrk")


class Wrk:
    """Runs `wrk -t1`."""

    name = "wrk"

    def __init__(self, program: str, workdir: Path, cores: Collection[int]) -> None:
        """`cores`: the only cores on which wrk runs."""
        self._program, self._workdir, self._cores = program, workdir, cores

    async def run(self, url: str, shape: Shape, seconds: int) -> LoadResult:
        """Run it once. Raise `EnvironmentProblemError` if wrk fails or does not end in time."""
        options = ["-t1", f"-c{shape.connections}", f"-d{seconds}s", "--timeout", "5s", "--latency"]
        if shape.sends:
            options += ["-s", str(self._script(shape.sends))]
        log = self._workdir / "wrk.log"
        log.write_bytes(b"")
        process = await spawn(Command((self._program, *options, url + shape.path)), log, self._cores)
        try:
            await asyncio.wait_for(process.wait(), seconds + _GRACE_S)
        except TimeoutError:
            raise EnvironmentProblemError(f"wrk did not end {_GRACE_S:g} s after its time", "", tail(log)) from None
        finally:
            await stop(process)
        if process.returncode != 0:
            raise EnvironmentProblemError(f"wrk failed with code {process.returncode}", "", tail(log))
        return parse(log.read_text())

    def _script(self, size: int) -> Path:
        path = self._workdir / f"post-{size}.lua"
        path.write_text(f'wrk.method = "POST"\nwrk.body = string.rep("x", {size})\n')
        return path


def parse(output: str) -> LoadResult:
    """Parse the output of wrk. Raise `EnvironmentProblemError` if it has no result."""
    total = _TOTAL.search(output)
    if total is None:
        raise EnvironmentProblemError("wrk printed no result", "", tuple(output.strip().splitlines()[-5:]))
    bad = int(match[1]) if (match := _BAD_STATUS.search(output)) else 0
    socket_errors = sum(map(int, match.groups())) if (match := _SOCKET_ERRORS.search(output)) else 0
    percentiles = {share: float(value) * _SECONDS_PER[unit] for share, value, unit in _PERCENTILE.findall(output)}
    return LoadResult(
        requests=int(total[1]) - bad,
        seconds=float(total[2]) * _SECONDS_PER[total[3]],
        errors=bad + socket_errors,
        p50_s=percentiles.get("50", 0.0),
        p99_s=percentiles.get("99", 0.0),
    )
