"""Fault kinds of other packages: what is taken, what is left out, what is refused."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint

import pytest

from chaos.drivers.targets import LinkTarget
from chaos.engine import guard
from chaos.errors import ConflictError
from chaos.faults import FAULTS
from chaos.faults.base import AnyFault, Layer, Support
from chaos.faults.bound import LATE_LINK
from chaos.faults.extensions import GROUP, NameTakenError, add_extensions
from chaos.faults.link_fault import LinkFault, ShapedParams
from tests.support.chaos_fakes import record


class Molasses(LinkFault):
    kind, effect, summary, past = "molasses", "delay", "answers come late", "answered late"
    layer, bound, params = Layer.SHAPE, LATE_LINK, ShapedParams

    def effects(self, params: ShapedParams) -> dict[str, float]:
        return {"delay_s": 1.0}


FAULT = Molasses()


def point(name: str = "molasses", value: str = f"{__name__}:FAULT") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def added(*points: EntryPoint) -> dict[str, AnyFault]:
    faults = dict(FAULTS)
    add_extensions(faults, points)
    return {kind: fault for kind, fault in faults.items() if kind not in FAULTS}


def test_a_fault_of_another_package_is_known_by_its_name() -> None:
    assert added(point()) == {"molasses": FAULT}
    assert FAULT.impairment(ShapedParams(), 5.0).effect == "delay"
    assert FAULT.needs is LinkTarget


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (point(value="no_such_module:FAULT"), "ModuleNotFoundError"),
        (point(value=f"{__name__}:NOTHING"), "AttributeError"),
        (point("treacle"), "its kind is 'molasses'"),
        (point(value="chaos.errors:ChaosError"), "AttributeError"),
    ],
)
def test_what_cannot_be_loaded_is_named_and_left_out(
    broken: EntryPoint, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert added(broken) == {}
    assert broken.value in caplog.text
    assert "is left out" in caplog.text
    assert reason in caplog.text


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(
        NameTakenError, match=r"fault 'delay' .* has the same name as a fault built into the chaos service"
    ):
        added(point("delay"))
    with pytest.raises(NameTakenError, match=r"'molasses' .*other:FAULT.* as a fault of package"):
        added(point(), point(value="other:FAULT"))


def test_two_faults_with_one_effect_on_a_target_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, "molasses", FAULT)
    with pytest.raises(ConflictError, match="already has delay"):
        guard.check_conflicts(FAULT, "api-1", [record(kind="delay")])
    guard.check_conflicts(FAULT, "api-1", [record(kind="loss")])


def test_a_runtime_that_a_fault_does_not_name_has_no_mechanism() -> None:
    support = Support({"docker": "freezer"}, lacking="a freezer")
    assert (support.on("docker"), support.on("local")) == ("freezer", "")
    assert support.on("another") == ""  # type: ignore[arg-type]
