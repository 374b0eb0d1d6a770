"""All decisions of the balancer as pure code: no IO, no clock, no global randomness.

Functions take the time (`now`, monotonic seconds) and a `random.Random` as arguments and return decisions. The shell
(`lb.proxy`, `lb.probes.scheduler`, `lb.discovery`, `lb.admin`) carries them out and reports the results back.
"""
