"""`python -m lab.bench.check.measure FOLDER`: judge one run and print its cost as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from ...evidence.record import load_run
from ...judge.judge import judge

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Return the peak resident memory of this process.

    On Linux, `ru_maxrss` is inherited from the parent, so `VmHWM` is used there.
    """
    if _STATUS.exists():
        kilobytes = next(line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Judge the run and return 0. A run that cannot be read raises an exception."""
    started = time.perf_counter()
    run = load_run(Path(sys.argv[1]))
    loaded = time.perf_counter()
    verdict = judge(run)
    judged = time.perf_counter()
    found = {
        "requests": len(run.history.requests),
        "verdict": verdict.verdict,
        "load_s": round(loaded - started, 3),
        "judge_s": round(judged - loaded, 3),
        "cpu_s": round(time.process_time(), 3),
        "peak_mb": round(peak_bytes() / 1e6, 1),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
