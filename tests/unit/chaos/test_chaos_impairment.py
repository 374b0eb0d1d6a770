from __future__ import annotations

import pytest

from chaos.links.impairment import Impairment


def test_the_wire_form_comes_back_the_same() -> None:
    delay = Impairment("delay", duration_s=5, delay_s=0.1, jitter_s=0.01, peers=("10.0.0.2",), port=80)
    assert Impairment.from_json(delay.to_json()) == delay


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"kind": "explode", "duration_s": 1},
        {"kind": "delay"},
        {"kind": "delay", "duration_s": 0},
        {"kind": "delay", "duration_s": 1, "delay_s": -1},
        {"kind": "delay", "duration_s": "1s"},
        {"kind": "delay", "duration_s": True},
        {"kind": "loss", "duration_s": 1, "loss": 30},
        {"kind": "delay", "duration_s": 1, "surprise": 1},
        {"kind": "delay", "duration_s": 1, "direction": "up"},
        {"kind": "delay", "duration_s": 1, "peers": "10.0.0.2"},
        {"kind": "delay", "duration_s": 1, "port": "80"},
    ],
)
def test_anything_else_on_the_wire_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Impairment.from_json(body)
