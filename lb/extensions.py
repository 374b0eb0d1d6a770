"""Policies that other installed packages add, by entry points of the group `reroute.policies` (docs/extending.md).

The name of the entry point is the policy's name. Its object is a subclass of `lb.core.policies.Policy`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, MutableMapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from .core.policies import POLICIES, Policy
from .errors import ConfigError

GROUP: Final = "reroute.policies"


def add_policies(
    policies: MutableMapping[str, type[Policy]] = POLICIES, points: Iterable[EntryPoint] | None = None
) -> None:
    """Add the policies of other packages to `policies`.

    A policy that cannot be loaded is left out, with a warning on stderr that names its package. Raise ConfigError if a
    name is in use, because the meaning of the name must not depend on what is installed.
    """
    owners = dict.fromkeys(policies, "built into the balancer")
    for point in entry_points(group=GROUP) if points is None else points:
        owner = f"of package {point.dist.name if point.dist else 'unknown'} ({point.value})"
        if point.name in owners:
            other = owners[point.name]
            raise ConfigError([f"policy {point.name!r} {owner} has the same name as a policy {other}"])
        owners[point.name] = owner
        try:
            policy = point.load()
            if not (isinstance(policy, type) and issubclass(policy, Policy)):
                raise TypeError(f"expected a subclass of {Policy.__module__}.Policy")
        except Exception as error:  # noqa: BLE001 - a broken package must not end the balancer
            sys.stderr.write(f"lb: policy {point.name!r} {owner} is left out: {type(error).__name__}: {error}\n")
        else:
            policies[point.name] = policy
