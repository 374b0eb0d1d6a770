"""The environment of every process of the lab: what the lab sets, and a short list of inherited variables.

Other variables of the caller could change the result silently: `LB_LISTEN` would move the lab's balancer, the
`LB_PORT=tcp://…` of a Kubernetes service would stop it, and `LB_POLICY` would select another policy. `PYTHONPATH`,
`PYTHONWARNINGS` and proxy variables have similar effects.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

PASSED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ"),
    "LD_LIBRARY_PATH",  # some Pythons do not start without it
    *("REROUTE_LB_PORT", "REROUTE_ADMIN_PORT", "REROUTE_CHAOS_PORT"),  # the supervisor chooses the ports
    *("LAB_TEST_MARK", "LAB_PASS_ENV"),
)
"""Variables of the caller that every process gets. docs/configuration.md lists them."""
MORE: Final = "LAB_PASS_ENV"
"""Variable that names further variables to pass, separated by commas, such as those that a balancer's configuration
reads."""
SET: Final = {"LANG": "C.UTF-8", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
"""Set for every process: how text is encoded, and unbuffered output, so that a log is complete after SIGKILL."""
UMASK: Final = 0o022
"""Balancers that give up root must still be able to read their files, which a caller's umask 077 would prevent."""


def child_environment(own: Mapping[str, str] | None = None, caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: the caller's allowed variables, overridden by `SET`, then by `own`."""
    caller = os.environ if caller is None else caller
    names = {*PASSED, *(name.strip() for name in caller.get(MORE, "").split(","))}
    return {**{name: value for name, value in caller.items() if name in names}, **SET, **(own or {})}
