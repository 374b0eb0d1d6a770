"""Whether this host can send anything to an address, asked of the kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chaos.drivers.probe import why_no_route

ASK = "import sys; from chaos.drivers.probe import why_no_route; print(why_no_route((sys.argv[1], 80)))"


def test_loopback_has_a_route_and_a_name_is_not_judged() -> None:
    assert why_no_route(("127.0.0.1", 80)) == ""
    assert why_no_route(("no-such-name.invalid", 80)) == ""


@pytest.mark.parametrize("address", ["fd00::2", "10.0.0.2"])
def test_in_a_network_namespace_without_interfaces_nothing_has_a_route(address: str) -> None:
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ASK, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip("this kernel gives no network namespace")
    reasons = {"network is unreachable", "cannot assign requested address"}  # which one depends on the IP version
    assert done.stdout.strip() in reasons, done.stderr
