"""Everything the balancer decides, and nothing it does: no IO, no clock, no global randomness.

Functions take the time (`now`, monotonic seconds) and a `random.Random` as arguments and return decisions; the
shell (`lb.proxy`, `lb.probes.scheduler`, `lb.discovery`, `lb.admin`) performs them and reports back what happened.
"""
