"""A TCP relay in front of one local backend. Link faults act in it, because a local process has no network namespace.

Without a fault it is transparent: bytes, back-pressure, half-close and resets pass in both directions, and it listens
only while the backend does (`listener`). A fault delays or drops bytes (`effects`, `relayed_connection`). The
supervisor starts it as `python -m chaos.relay`; the chaos service controls it through `control`.
"""
