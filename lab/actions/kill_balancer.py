"""kill_balancer: SIGKILL; after the duration the balancer is started again."""

from __future__ import annotations

from .balancer_stop import BalancerStop


class KillBalancer(BalancerStop):
    """Kill the balancer."""

    name = "kill_balancer"
    summary = "the balancer is killed and started again"
    kill = True
    mechanism = "SIGKILL"


ACTION = KillBalancer()
