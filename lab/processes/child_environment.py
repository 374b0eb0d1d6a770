"""The environment of every process of the lab: what the lab sets, and a short list of inherited variables.

A caller's `LB_LISTEN` would move the lab's own balancer, the `LB_PORT=tcp://…` of a Kubernetes service would end it,
and `LB_POLICY` would measure another policy without a word. `PYTHONPATH`, `PYTHONWARNINGS` and a proxy are no better.
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
"""Names of further variables, separated by commas, such as those that a balancer's own configuration reads."""
SET: Final = {"LANG": "C.UTF-8", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
"""The same for everybody: how text is encoded, and that a log is complete when its process is killed."""
UMASK: Final = 0o022
"""A balancer that gives up root must still read its files; a caller's 077 would hide them."""


def child_environment(own: Mapping[str, str] | None = None, caller: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: `own` counts most, then `SET`, then what is let through of the caller's."""
    caller = os.environ if caller is None else caller
    names = {*PASSED, *(name.strip() for name in caller.get(MORE, "").split(","))}
    return {**{name: value for name, value in caller.items() if name in names}, **SET, **(own or {})}
