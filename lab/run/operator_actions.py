"""Performs the actions of a plan (`lab.actions`) in one run, and records them.

If an action may explain a bad request (the balancer is gone, a backend restarts or leaves), it is recorded like a
fault. A drain, a weight or a new backend is not, because they must not affect any request.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from ..actions import ACTIONS
from ..actions.base import UP_WITHIN_S, Call
from ..errors import EnvironmentProblemError, LabError
from ..evidence.recorder import Recorder
from ..identity import Identity, identify
from ..services.balancer_view import BalancerView
from ..services.clients import BalancerClient, ChaosClient, Json
from ..services.endpoints import Endpoints, Operations, RuntimeControl
from .preflight import Readiness, wait_until_all_up
from .run_metadata import Injection


@dataclass(slots=True)
class OperatorActions:
    """The actions of one run, with what they need of its lab."""

    balancer: BalancerView
    chaos: ChaosClient
    endpoints: Endpoints
    ready: Readiness
    recorder: Recorder
    inject: Callable[[Injection], Awaitable[None]]
    """Injects a fault and waits until it is healed."""
    injections: list[Injection]
    """Everything that is recorded like a fault; this class appends to it."""

    async def perform(self, injection: Injection) -> None:
        """Perform the action of a step. A refusal is recorded and makes the run unknown, but does not abort it."""
        step = injection.step
        began = self.recorder.clock.now()
        data: Json = {"step": injection.index, "act": step.act, "target": injection.target, "began_at": round(began, 6)}
        call = Call(injection.before.backends, step.duration_s, step.value, step.allow_last)
        try:
            await ACTIONS[step.act].perform(_OperatedLab(self, injection), call)
        except LabError as error:
            data["error"] = str(error)
        self.recorder.note("act", {**data, "ended_at": round(self.recorder.clock.now(), 6)})


@dataclass(frozen=True, slots=True)
class _OperatedLab:
    """`lab.actions.base.OperatedLab` for one step."""

    run: OperatorActions
    injection: Injection

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(sorted(self.run.ready.identities))

    @property
    def weights(self) -> Mapping[str, float]:
        return {each["id"]: float(each.get("weight", 1.0)) for each in self.run.ready.backends}

    @property
    def _control(self) -> RuntimeControl:
        assert self.run.endpoints.runtime_control is not None, "checked before the run"
        return self.run.endpoints.runtime_control

    @property
    def _operations(self) -> Operations:
        assert self.run.endpoints.operations is not None, "checked before the run"
        return self.run.endpoints.operations

    def _note_change(self, what: str, target: str) -> None:
        """Record when the balancer is told of a backend. A backend of a local lab has the name of its target."""
        self.run.recorder.note("told", {"step": self.injection.index, "change": what, "instance": target})

    async def adjust(self, backend_id: str, change: Json) -> None:
        assert isinstance(self.run.balancer, BalancerClient), "checked before the run"
        await self.run.balancer.adjust(backend_id, change)

    async def backends(self) -> list[Json]:
        return await self.run.balancer.backends()

    async def identities(self) -> dict[str, Identity]:
        return identify(await self.run.chaos.targets(), await self.run.balancer.backends())

    async def all_up(self) -> None:
        await wait_until_all_up(self.run.balancer, self.run.chaos, UP_WITHIN_S)

    async def restart(self, target: str, identity: Identity) -> None:
        step = replace(self.injection.step, act="", fault="restart", target=target)
        one = Injection(self.injection.index, step, target, identity, {})
        self.run.injections.append(one)
        await self.run.inject(one)

    async def scale(self, count: int) -> None:
        await self._control.scale(count)

    async def start_backend(self) -> str:
        return await self._operations.start_backend()

    async def stop_backend(self, target: str) -> None:
        await self._operations.stop_backend(target)

    async def add(self, target: str) -> None:
        self._note_change("added", target)
        await self._operations.add(target)

    async def replace(self, old: str, new: str) -> None:
        self._note_change("added", new)
        await self._operations.replace(old, new)

    async def remove(self, target: str) -> None:
        self._note_change("removed", target)
        await self._operations.remove(target)

    async def reload(self) -> None:
        await self._operations.reload()

    async def stop_balancer(self, *, kill: bool) -> None:
        await self._control.stop_balancer(kill=kill)

    async def start_balancer(self) -> None:
        await self._control.start_balancer()

    async def balancer_answers(self) -> bool:
        with contextlib.suppress(EnvironmentProblemError):
            await self.run.balancer.clock()
            return True
        return False

    def now(self) -> float:
        return time.monotonic() + self.run.ready.chaos_clock.offset_s

    def disruption(
        self, target: str, identity: Identity, mechanism: str, *, name: str = "", began: float | None = None
    ) -> Json:
        began = self.now() if began is None else began
        record: Json = {"requested_mono": began, "injected_mono": began, "heal_started_mono": None}
        record |= {"healed_mono": None, "mechanism": mechanism, "bit": None, "evidence": ""}
        step = replace(self.injection.step, act=name or self.injection.step.act, target=target)
        self.run.injections.append(Injection(self.injection.index, step, target, identity, record))
        return record
