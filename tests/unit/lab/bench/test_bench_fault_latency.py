from __future__ import annotations

from lab.bench.fault_latency import LINK_LIMIT_S, PROCESS_LIMIT_S, Timing, possible


def test_the_median_decides_and_the_slowest_is_told() -> None:
    timing = Timing("kill", "SIGKILL", (0.1, 0.2, 0.9), PROCESS_LIMIT_S)
    assert timing.within
    assert timing.as_json() == {
        "kind": "kill", "mechanism": "SIGKILL", "median_s": 0.2, "slowest_s": 0.9, "limit_s": 0.3, "within": True,
    }  # fmt: skip
    assert not Timing("delay", "netem", (1.6, 1.7), LINK_LIMIT_S).within


def test_what_the_lab_cannot_do_is_not_measured() -> None:
    here = {
        "kill": {"possible": True},
        "partition": {"possible": False},
        "cpu": {"possible": True},
        "loss": {"possible": True},
    }
    assert possible(here) == ["kill", "loss"]
