"""`python -m lab.bench.check.measure FOLDER`: judge one run and print what that took, as JSON."""

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
    """The most memory that this process has had resident.

    Linux hands a process' `ru_maxrss` on to what it starts, so there it may be the peak of a parent: `VmHWM` is ours.
    """
    if _STATUS.exists():
        kilobytes = next(line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Answers 0; a run that cannot be read raises."""
    started = time.perf_counter()
    run = load_run(Path(sys.argv[1]))
    loaded = time.perf_counter()
    verdict = judge(run)
    judged = time.perf_counter()
    told = {
        "requests": len(run.history.requests),
        "verdict": verdict.verdict,
        "load_s": round(loaded - started, 3),
        "judge_s": round(judged - loaded, 3),
        "cpu_s": round(time.process_time(), 3),
        "peak_mb": round(peak_bytes() / 1e6, 1),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
