"""A short scenario, and two configurations of HAProxy: one that avoids a frozen server, and one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing

SCENARIO = """
version: 1
title: A backend freezes for a moment
load: {rate: 100/s, mix: [{request: GET /work, share: 90%}, {request: POST /jobs, share: 10%}], slow: 300ms}
warm_up: 500ms
steady_state: 500ms
steps: [{at: 0s, fault: pause, target: api-1, duration: 1500ms}]
settle: {after_readmission: 500ms, at_most: 4s}
expect: {error_budget: 100%}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 250ms
    timeout client 10s
    timeout server 500ms
    retries {retries}
    option redispatch
    retry-on all-retryable-errors
frontend web
    bind *:80
    default_backend app
backend app
    option httpchk GET /health
    timeout check 1s
    default-server {checks}
    server one 10.0.0.1:80
    server two 10.0.0.2:80
    server three 10.0.0.3:80
"""
GOOD = HAPROXY.format(checks="check inter 500ms fall 3 rise 1", retries=3)
"""Its checks are patient and its retries many, so that a busy host fails no request."""
WORSE = HAPROXY.format(checks="weight 1", retries=0)
"""Without checks and retries, every request to the frozen server fails, however busy the host is."""


def write_project(folder: Path) -> None:
    """Write scenario and configuration. Skip the test if HAProxy is not installed."""
    if isinstance(ADAPTERS["haproxy"].find(), Missing):
        pytest.skip("haproxy is not installed: apt-get install haproxy")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "short.yaml").write_text(SCENARIO)
    (folder / "prod.cfg").write_text(GOOD)
