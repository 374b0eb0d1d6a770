"""A discrete-event simulation of traffic, backends and faults around the real `lb.core.balancer.Balancer`.

The balancer under test is the one that runs in production. Arrivals, connections, the queues inside the backends and
the clock are simulated. Nothing sleeps, and a run depends only on its seed.
"""
