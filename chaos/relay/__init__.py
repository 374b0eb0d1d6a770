"""A TCP relay in front of one local backend: where link faults act when there is no network namespace to put them in.

Without a fault it is meant to be invisible: bytes, back-pressure, half-close and resets pass both ways, and its
listening socket is open exactly while the backend's is (`door`). With one (`impairment`), answers are held back
(`link`). Started by the supervisor as `python -m chaos.relay`; told what to do through `control`.
"""
