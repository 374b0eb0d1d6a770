from __future__ import annotations

from lab.identity import Identity, identify

TARGET = {"name": "api-1", "instance": "c0ffee", "addresses": ["10.0.0.3:8000"]}


def backend(**changes: str) -> dict[str, str]:
    return {"id": "10.0.0.3:8000", "name": "c0ffee", "address": "10.0.0.3:8000", **changes}


def test_the_instance_name_decides() -> None:
    assert identify([TARGET], [backend()]) == {"api-1": Identity("c0ffee", ("10.0.0.3:8000",))}


def test_also_when_the_address_says_otherwise() -> None:
    """After a restart the address may belong to another replica; its name gives it away."""
    moved = backend(id="10.0.0.9:8000", address="10.0.0.9:8000")
    usurper = backend(name="badcab1e")
    assert identify([TARGET], [usurper, moved])["api-1"].backends == ("10.0.0.9:8000",)


def test_a_backend_that_has_not_reported_its_name_is_known_by_address() -> None:
    assert identify([TARGET], [backend(name="10.0.0.3:8000")])["api-1"].backends == ("10.0.0.3:8000",)


def test_or_by_an_equal_name() -> None:
    local = backend(id="api-1", name="api-1", address="127.0.0.1:9001")
    assert identify([TARGET], [local])["api-1"].backends == ("api-1",)


def test_a_target_that_the_balancer_does_not_know() -> None:
    assert identify([TARGET], [backend(name="other")])["api-1"].backends == ()
