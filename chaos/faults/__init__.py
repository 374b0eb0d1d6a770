"""The faults, one file each, registered by name.

Every fault says what it needs of a target (`needs`), which part of it it occupies (`layer`: two faults on one layer
conflict, and a process fault conflicts with everything), and how to inject, verify and heal. `heal` is idempotent and
works from the target alone: after a crash nothing else is known.
"""

from __future__ import annotations

from chaos.faults.bandwidth import Bandwidth
from chaos.faults.base import AnyFault
from chaos.faults.blackhole import Blackhole
from chaos.faults.corrupt import Corrupt
from chaos.faults.cpu import Cpu
from chaos.faults.delay import Delay
from chaos.faults.disconnect import Disconnect
from chaos.faults.duplicate import Duplicate
from chaos.faults.kill import Kill
from chaos.faults.loss import Loss
from chaos.faults.memory import Memory
from chaos.faults.misbehave import MISBEHAVIOURS
from chaos.faults.partition import Partition
from chaos.faults.pause import Pause
from chaos.faults.refuse import Refuse
from chaos.faults.reorder import Reorder
from chaos.faults.restart import Restart
from chaos.faults.stop import Stop

_ALL: tuple[AnyFault, ...] = (
    Kill(), Stop(), Restart(), Pause(), Delay(), Loss(), Corrupt(), Duplicate(), Reorder(), Bandwidth(), Blackhole(),
    Refuse(), Partition(), Disconnect(), Cpu(), Memory(), *MISBEHAVIOURS,
)  # fmt: skip

FAULTS: dict[str, AnyFault] = {fault.kind: fault for fault in _ALL}
"""Every fault kind that this service knows."""

__all__ = ["FAULTS", "AnyFault"]
