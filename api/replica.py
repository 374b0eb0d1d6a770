"""The parts of one replica. Each app has one replica."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Self

from fastapi import Depends
from starlette.requests import HTTPConnection

from .auth import OrderGate
from .cold_start import ColdStart
from .ledger import Ledger
from .load import CpuMeter, InFlight, available_cpus
from .metrics import Metrics
from .misbehave import Conduct
from .models import Cold, Load, Misbehaviour
from .settings import Settings
from .work import Burner


@dataclass(slots=True)
class Replica:
    """The state that the routes share."""

    instance: str
    ledger: Ledger
    burner: Burner
    cpu: CpuMeter
    in_flight: InFlight
    metrics: Metrics
    cold_start: ColdStart
    orders: OrderGate = field(default_factory=OrderGate)
    conduct: Conduct = field(default_factory=Conduct)
    rng: Random = field(default_factory=Random)
    started_mono: float = field(default_factory=time.monotonic)

    @classmethod
    def create(cls, settings: Settings) -> Self:
        """Create a replica and open its ledger. Raise OSError if the ledger cannot be written."""
        cpus, in_flight = available_cpus(), InFlight()
        replica = cls(
            instance=settings.instance,
            ledger=Ledger(settings.ledger_dir, settings.instance),
            burner=Burner(cpus),
            cpu=CpuMeter(cpus, at=time.monotonic(), used=time.process_time()),
            in_flight=in_flight,
            metrics=Metrics(in_flight),
            cold_start=ColdStart(settings.ledger_dir / f"{settings.instance}.cold.json"),
            orders=OrderGate(settings.misbehave_token, settings.misbehave_token_file),
        )
        if order := replica.cold_start.take():
            replica.conduct.set(order)
        return replica

    def behave(self, mode: Misbehaviour) -> None:
        """Replace the current mode. `cold` begins with the next start. Raise OSError if it cannot be kept for that."""
        if isinstance(mode, Cold):
            self.cold_start.keep(mode)
        else:
            self.cold_start.discard()
            self.conduct.set(mode)

    def load(self) -> Load:
        """Return the current load."""
        now = time.monotonic()
        share = self.cpu.read(now, time.process_time())
        return Load(in_flight=self.in_flight.count, cpu=round(share, 4), uptime_s=round(now - self.started_mono, 3))

    def load_line(self) -> bytes:
        """Return the current load for `X-Load`, as in xDS' Open Request Cost Aggregation: `cpu=0.42, in_flight=3`."""
        share = self.cpu.read(time.monotonic(), time.process_time())
        return b"cpu=%.4f, in_flight=%d" % (share, self.in_flight.count)

    def close(self) -> None:
        """Stop the work in progress and close the ledger."""
        self.burner.close()
        self.ledger.close()


async def _replica_of(connection: HTTPConnection) -> Replica:
    # A coroutine although it awaits nothing, because FastAPI would run a plain function in its thread pool.
    replica: Replica = connection.app.state.replica
    return replica


Here = Annotated[Replica, Depends(_replica_of)]
"""Type of a route's parameter that receives the replica."""
