"""The faults, one file each, registered by name.

Every fault says what it needs of a target (`needs`), which part of it it occupies (`layer`: two faults on one layer
conflict, and a process fault conflicts with everything), and how to inject, verify and heal. `heal` is idempotent and
works from the target alone: after a crash nothing else is known.
"""

from __future__ import annotations

from .bandwidth import Bandwidth
from .base import AnyFault
from .blackhole import Blackhole
from .corrupt import Corrupt
from .cpu import Cpu
from .delay import Delay
from .disconnect import Disconnect
from .duplicate import Duplicate
from .kill import Kill
from .loss import Loss
from .memory import Memory
from .misbehave import MISBEHAVIOURS
from .partition import Partition
from .pause import Pause
from .refuse import Refuse
from .reorder import Reorder
from .restart import Restart
from .stop import Stop

_ALL: tuple[AnyFault, ...] = (
    Kill(), Stop(), Restart(), Pause(), Delay(), Loss(), Corrupt(), Duplicate(), Reorder(), Bandwidth(), Blackhole(),
    Refuse(), Partition(), Disconnect(), Cpu(), Memory(), *MISBEHAVIOURS,
)  # fmt: skip

FAULTS: dict[str, AnyFault] = {fault.kind: fault for fault in _ALL}
"""Every fault kind that this service knows."""

__all__ = ["FAULTS", "AnyFault"]
