"""A discrete-event simulation of traffic, backends and faults around the real `lb.core.balancer.Balancer`.

The balancer under test is the one that runs in production; only the world around it is simulated: arrivals, the
connections, the queues inside the backends, and the clock. Nothing sleeps, and a run is a function of its seed.
"""
