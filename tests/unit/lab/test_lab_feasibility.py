"""A plan that the lab cannot carry out is refused with the reasons."""

from __future__ import annotations

from dataclasses import replace

from lab.run.feasibility import obstacles, requirements
from lab.services.endpoints import Endpoints
from tests.support.lab_plans import plan, step

BARE = Endpoints(traffic="http://t", admin="http://a", chaos="http://c", chaos_token="", runtime="local")
CAN = {"pause": {"possible": True}, "loss": {"possible": False, "missing": "sch_netem"}}


def test_what_is_possible_has_no_obstacle() -> None:
    assert obstacles(plan(), BARE, CAN) == []


def test_a_fault_that_the_host_lacks_is_named_once_with_what_is_missing() -> None:
    wanted = plan(steps=(step(fault="loss"), step(fault="loss")))
    assert obstacles(wanted, BARE, CAN) == ["loss is not possible here: sch_netem"]
    assert obstacles(plan(steps=(step(fault="melt"),)), BARE, CAN) == ["this lab's chaos service knows no fault melt"]


def test_without_runtime_control_nothing_is_scaled_and_no_balancer_restarted_or_configured() -> None:
    acts = (step(fault="", act="scale", value=5.0), step(fault="", act="kill_balancer"))
    found = obstacles(plan(steps=acts, balancer={"LB_POLICY": "random"}), BARE, CAN)
    assert found == [
        "this lab cannot scale",
        "this lab cannot kill_balancer",
        "the settings of this lab's balancer cannot be changed",
    ]


def test_a_balancer_without_admin_api_is_neither_drained_nor_met_at_a_phase() -> None:
    wanted = plan(steps=(step(fault="", act="drain"), step(phase=0.5)))
    found = obstacles(wanted, replace(BARE, admin=""), CAN)
    assert found == ["drain needs the balancer's admin API", "a phase needs the balancer's admin API"]


def test_what_every_lab_can_do_requires_nothing() -> None:
    assert requirements(plan()) == []


def test_a_fault_that_plain_processes_cannot_have_requires_containers() -> None:
    assert requirements(plan(steps=(step(), step(fault="corrupt")))) == ["--runtime docker"]


def test_each_thing_that_a_plan_needs_of_a_lab_is_named_once() -> None:
    acts = (step(fault="", act="drain"), step(fault="", act="scale", value=5.0), step(phase=0.5))
    assert requirements(plan(steps=acts, balancer={"LB_POLICY": "random"})) == [
        "the balancer's admin API",
        "control of the runtime",
        "a balancer whose settings the lab may change",
    ]


def test_a_balancer_without_an_operator_is_not_deployed_behind() -> None:
    acts = (step(fault="", act="rolling_replace"), step(fault="", act="reload"))
    assert obstacles(plan(steps=acts), BARE, CAN) == [
        "this lab cannot rolling_replace: its balancer has no operator",
        "this lab cannot reload: its balancer has no operator",
    ]
