"""Bounds that an attached balancer's configuration implies."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import BadArgumentsError
from lab.runtime.attached.bounds import bounds_of_configuration
from lab.runtime.attached.lab_file import parse_lab_file
from tests.unit.lab.runtime.test_attached_lab_file import WHOLE
from tests.unit.lab.runtime.test_attached_starter_files import HAPROXY


def bounds(tmp_path: Path, configuration: str, lab_file: str = WHOLE) -> dict[str, float | None]:
    (tmp_path / "haproxy.cfg").write_text(configuration)
    found = bounds_of_configuration(parse_lab_file(lab_file, tmp_path / "lab.yaml"))
    return {each["fault"]: each["reroute_s"] for each in found}


def test_checks_and_time_outs_bound_the_time_to_reroute(tmp_path: Path) -> None:
    pause = bounds(tmp_path, HAPROXY)["pause"]
    slower = bounds(tmp_path, HAPROXY.replace("inter 1s", "inter 3s"))["pause"]
    assert pause is not None
    assert slower is not None
    assert 0 < pause < slower


def test_a_killed_container_is_noticed_no_sooner_than_lost_packets(tmp_path: Path) -> None:
    found = bounds(tmp_path, HAPROXY)
    assert found["kill"] is not None
    assert found["blackhole"] is not None
    assert found["kill"] >= found["blackhole"]


def test_a_fault_that_is_never_noticed_has_no_bound(tmp_path: Path) -> None:
    unchecked = HAPROXY.replace("check inter 1s fall 2 rise 2", "").replace("    option httpchk GET /healthz\n", "")
    assert bounds(tmp_path, unchecked)["error"] is None


def test_one_name_for_all_servers_gives_no_bounds(tmp_path: Path) -> None:
    assert bounds(tmp_path, HAPROXY.replace("    server b 10.0.0.2:8000\n", "")) == {}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("haproxy.cfg", "none.cfg", "there is no"),
        (
            "service: proxy, config: [haproxy.cfg]",
            "config: [haproxy.cfg], program: reroute",
            "cannot read files of reroute",
        ),
    ],
)
def test_what_cannot_be_read_is_said(old: str, new: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=told):
        bounds(tmp_path, HAPROXY, WHOLE.replace(old, new))
