"""`lab advise FILE --verify`: what the adviser predicts of a user's file holds when HAProxy runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing
from tests.e2e.conftest import Cli

pytestmark = [pytest.mark.alone, pytest.mark.timeout(400)]

FILE = """
defaults
  mode http
  timeout connect 300ms
  timeout client 10s
  timeout server 1s
  timeout check 400ms
  retries 2
  option redispatch 1
frontend web
  bind :80
  default_backend app
backend app
  balance POLICY
  option httpchk GET /healthz
  default-server check inter 1s fall 2 rise 2
  server one 10.0.0.1:80
  server two 10.0.0.2:80
  server three 10.0.0.3:80
"""
IN_TURN = 190
"""Requests that go to one of three servers in turn: noticed within 1 + 2 × 0.4 + 1 + 0.05 s, at 200/s."""


def test_a_server_that_hangs_gets_few_requests_of_leastconn(tmp_path: Path) -> None:
    if isinstance(installed := ADAPTERS["haproxy"].find(), Missing):
        pytest.skip(f"haproxy is not installed: {installed.install}")
    (tmp_path / "prod.cfg").write_text(FILE.replace("POLICY", "leastconn"))
    arguments = ("prod.cfg", "--verify", "--phases", "2", "--faults", "pause,blackhole")
    done = Cli(tmp_path).run("advise", *arguments, within_s=300.0)
    assert done.code == 0, done
    (document,) = (json.loads(each.read_text()) for each in tmp_path.glob("results/*-advise/advise.json"))
    assert [each["fault"] for each in document["rows"]] == ["pause", "blackhole"]
    for row in document["rows"]:
        assert row["verdict"] in {"holds", "loose"}, row
        # 50 pending requests at the two others: at most 26 at the hung one, and its time-out of 1 s passes twice. Those
        # in flight when it hangs (50 ms) come on top.
        assert row["affected_at_most"] == 26 * 3 + 4
        assert 0 < max(row["affected"]) <= row["affected_at_most"] < IN_TURN / 2
