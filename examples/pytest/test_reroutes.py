"""What a repository of yours can assert about its balancer. docs/pytest.md says how to run it on your containers."""


def test_reroutes_when_a_backend_freezes(lab):
    lab.check("pause")


def test_a_scenario_of_our_own(lab, request):
    verdict = lab.check(request.path.parent / "short_kill.yaml", seed=1)
    [fault] = verdict.faults
    assert fault.reroute_s <= fault.bound_s


def test_nobody_notices_one_dead_backend(traffic, faults):
    with traffic.flow(rate=100) as flow, faults.active("kill", faults.targets[0], duration="10s") as fault:
        assert fault["bit"], fault["evidence"]
    assert len(flow.requests) > 5
    assert not flow.failed
