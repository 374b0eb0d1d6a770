"""restart_balancer: SIGTERM, then a new start as soon as the balancer has ended."""

from __future__ import annotations

from .balancer_stop import BalancerStop


class RestartBalancer(BalancerStop):
    """Restart the balancer, as a deployment does."""

    name = "restart_balancer"
    summary = "the balancer is asked to end and started again"
    timed = False
    kill = False
    mechanism = "SIGTERM, start"


ACTION = RestartBalancer()
