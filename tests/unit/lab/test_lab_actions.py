"""Operator actions against a lab that only remembers what it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lab.actions import ACTIONS
from lab.actions.base import Call
from lab.errors import EnvironmentProblemError
from lab.identity import Identity


class FakeLab:
    def __init__(self, count: int = 2) -> None:
        self.count, self.asked, self.records = count, list[Any](), list[tuple[str, str, dict[str, Any]]]()
        self.up = True

    @property
    def targets(self) -> tuple[str, ...]:
        return ("api-1", "api-2")

    @property
    def weights(self) -> Mapping[str, float]:
        return {"b1": 3.0}

    async def adjust(self, backend_id: str, change: dict[str, Any]) -> None:
        self.asked.append((backend_id, change))

    async def backends(self) -> list[dict[str, Any]]:
        return [{"id": f"b{n}", "state": "UP", "in_flight": 0} for n in range(1, self.count + 1) if self.up]

    async def identities(self) -> dict[str, Identity]:
        return {f"api-{n}": Identity(f"api-{n}", (f"b{n}",)) for n in range(1, self.count + 1)}

    async def all_up(self) -> None:
        self.asked.append("all up")

    async def restart(self, target: str, identity: Identity) -> None:
        self.asked.append(("restart", target))

    async def scale(self, count: int) -> None:
        self.asked.append(("scale", count))
        self.count = count

    async def start_backend(self) -> str:
        self.asked.append("start")
        self.count += 1
        return f"api-{self.count}"

    async def stop_backend(self, target: str) -> None:
        self.asked.append(("stop", target))

    async def add(self, target: str) -> None:
        self.asked.append(("add", target))

    async def replace(self, old: str, new: str) -> None:
        self.asked.append(("replace", old, new))

    async def remove(self, target: str) -> None:
        self.asked.append(("remove", target))

    async def reload(self) -> None:
        self.asked.append("reload")

    async def stop_balancer(self, *, kill: bool) -> None:
        self.asked.append("kill" if kill else "stop")
        self.up = False

    async def start_balancer(self) -> None:
        self.asked.append("start")
        self.up = True

    async def balancer_answers(self) -> bool:
        return self.up

    def now(self) -> float:
        return 1.0

    def disruption(
        self, target: str, identity: Identity, mechanism: str, *, name: str = "", began: float | None = None
    ) -> dict[str, Any]:
        self.records.append((name, target, {"mechanism": mechanism}))
        return self.records[-1][2]


async def performed(name: str, *, value: float = 0.0, force: bool = False) -> FakeLab:
    lab = FakeLab()
    await ACTIONS[name].perform(lab, Call(("b1",), 0.0, value, force))
    return lab


@pytest.mark.parametrize("state", ["drain", "maint"])
async def test_a_backend_is_taken_out_and_used_again(state: str) -> None:
    lab = await performed(state, force=True)
    assert lab.asked == [("b1", {"state": state, "force": True}), ("b1", {"state": "up"})]


async def test_a_weight_is_what_it_was_before() -> None:
    assert (await performed("weight", value=0.5)).asked == [("b1", {"weight": 0.5}), ("b1", {"weight": 3.0})]


async def test_a_rolling_restart_takes_one_backend_after_the_other() -> None:
    one = [("b1", {"state": "drain"}), ("restart", "api-1"), ("b1", {"state": "up"}), "all up"]
    two = [("b2", {"state": "drain"}), ("restart", "api-2"), ("b2", {"state": "up"}), "all up"]
    assert (await performed("rolling_restart", value=1.0)).asked == [*one, *two]
    assert (await performed("rolling_restart")).asked == [one[1], "all up", two[1], "all up"]


async def test_backends_that_leave_are_recorded() -> None:
    lab = await performed("scale", value=3.0)
    assert lab.asked == [("scale", 3), ("scale", 2)]
    [(name, target, record)] = lab.records
    assert (name, target, record["bit"], record["healed_mono"]) == ("leave", "api-3", True, 1.0)


@pytest.mark.parametrize(("name", "how"), [("kill_balancer", "kill"), ("restart_balancer", "stop")])
async def test_the_balancer_is_started_again(name: str, how: str) -> None:
    lab = await performed(name)
    assert lab.asked == [how, "start"]
    [(_, target, record)] = lab.records
    assert (target, record["bit"], record["healed_mono"]) == ("lb", True, 1.0)


async def test_what_is_changed_is_undone_when_the_lab_refuses() -> None:
    class Refusing(FakeLab):
        async def adjust(self, backend_id: str, change: dict[str, Any]) -> None:
            await super().adjust(backend_id, change)
            if change != {"state": "up"}:
                raise EnvironmentProblemError("the last healthy backend")

    lab = Refusing()
    with pytest.raises(EnvironmentProblemError):
        await ACTIONS["drain"].perform(lab, Call(("b1",), 0.0, 0.0, force=False))
    assert lab.asked[-1] == ("b1", {"state": "up"})


async def test_a_rolling_replacement_stops_each_old_backend_after_the_balancer_knows_the_new_one() -> None:
    assert (await performed("rolling_replace")).asked == [
        *("start", ("replace", "api-1", "api-3"), ("stop", "api-1")),
        *("start", ("replace", "api-2", "api-4"), ("stop", "api-2")),
    ]


async def test_churn_stops_a_backend_only_after_the_balancer_was_told_that_it_leaves() -> None:
    asked = (await performed("churn")).asked
    assert asked == ["start", ("add", "api-3"), ("remove", "api-3"), ("stop", "api-3")]


async def test_a_reload_only_tells_the_balancer() -> None:
    assert (await performed("reload")).asked == ["reload"]
