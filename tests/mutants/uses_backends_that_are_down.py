"""Policies pick among all backends, wherever these stand."""

from __future__ import annotations

from lb.core.candidates import Rotation

SCENARIO = "pause"
CAUGHT_BY = ("no_dead_traffic", "reroute_within_bound")
PHASES = ("after_bound",)


def plant() -> None:
    Rotation.usable = property(lambda self: tuple(self._backends))
