"""Where answers name their backend: what is believed, and what is not."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lab.runtime.attached.survey import Answer, find_naming
from lab.runtime.attached.their_project import Container


def container(number: int, address: str = "") -> Container:
    identity = f"{number}" * 64
    return Container(
        id=identity,
        service="web",
        name=f"shop-web-{number}",
        target=f"web-{number}",
        hostname=identity[:12],
        running=True,
        networks={"shop_default": address or f"172.18.0.{number}"},
        network_mode="shop_default",
        exposed=(8000,),
    )


WEBS = [container(1), container(2)]


def answers(*values: Mapping[str, str], body: Mapping[str, str] | None = None) -> list[Answer]:
    return [Answer(200, tuple(each.items()), json.dumps(body or {}).encode()) for each in values for _ in range(4)]


def test_a_host_name_in_a_header_names_the_container() -> None:
    naming = find_naming(answers({"X-Host": "1" * 12}, {"X-Host": "2" * 12}), WEBS, {})
    assert naming is not None
    assert (naming.identify, naming.names, naming.seen) == ("header:X-Host", {}, ("web-1", "web-2"))


def test_an_address_with_a_port_names_the_container() -> None:
    naming = find_naming(answers({"X-Up": "172.18.0.1:8000"}, {"X-Up": "172.18.0.2:8000"}), WEBS, {})
    assert naming is not None
    assert naming.seen == ("web-1", "web-2")


def test_a_balancers_own_numbering_is_not_believed() -> None:
    assert find_naming(answers({"X-Served-By": "web-1"}, {"X-Served-By": "web-2"}), WEBS, {}) is None


def test_a_balancers_name_is_learned_from_what_the_backend_says_of_itself() -> None:
    crossed = answers({"X-Served-By": "web-1", "X-Host": "2" * 12}, {"X-Served-By": "web-2", "X-Host": "1" * 12})
    naming = find_naming(crossed, WEBS, {}, "header:X-Served-By")
    assert naming is not None
    assert naming.names == {"web-1": "web-2", "web-2": "web-1"}
    best = find_naming(crossed, WEBS, {})
    assert best is not None
    assert best.identify == "header:X-Host"


def test_a_value_that_the_backend_also_gives_directly_is_learned() -> None:
    direct = {"web-1": Answer(200, (("X-Color", "red"),)), "web-2": Answer(200, (("X-Color", "blue"),))}
    naming = find_naming(answers({"X-Color": "red"}, {"X-Color": "blue"}), WEBS, direct)
    assert naming is not None
    assert naming.names == {"blue": "web-2", "red": "web-1"}


def test_what_is_the_same_everywhere_or_new_every_time_names_nobody() -> None:
    same = [Answer(200, (("X-App", "shop"), ("X-Id", str(number)))) for number in range(8)]
    direct = {each.target: Answer(200, (("X-App", "shop"),)) for each in WEBS}
    assert find_naming(same, WEBS, direct) is None


def test_a_cookie_and_a_json_field_qualify_too() -> None:
    set_cookie = answers({"Set-Cookie": "host=111111111111; Path=/"}, {"Set-Cookie": "host=222222222222; Path=/"})
    naming = find_naming(set_cookie, WEBS, {})
    assert naming is not None
    assert naming.identify == "cookie:host"
    inside = answers({}, body={"a/b": "1" * 12}) + answers({}, body={"a/b": "2" * 12})
    naming = find_naming(inside, WEBS, {})
    assert naming is not None
    assert naming.identify == "json:/a~1b"


def test_one_backend_that_never_answered_is_not_among_those_seen() -> None:
    naming = find_naming(answers({"X-Host": "1" * 12}), WEBS, {})
    assert naming is not None
    assert naming.seen == ("web-1",)
