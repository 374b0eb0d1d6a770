from __future__ import annotations

from typing import Any

import pytest

from chaos.engine.guard import check_params
from chaos.errors import BadRequestError
from chaos.faults import FAULTS


@pytest.mark.parametrize(
    ("kind", "params", "told"),
    [
        ("delay", {}, "params.delay: is required"),
        ("delay", {"delay": "2min"}, "params.delay: expected at most 60s, not 120s"),
        ("delay", {"delay": "0ms"}, "params.delay: expected above 0s, not 0s"),
        ("delay", {"delay": "1s", "colour": "red"}, "params.colour: there is no such field"),
        ("delay", {"delay": "1s", "port": 0}, "params.port: expected at least 1, not 0"),
        ("delay", {"delay": 1}, "params.delay: expected a duration with its unit, such as 500ms, 2s or 5min, not 1"),
        ("loss", {"loss": "120%"}, "params.loss: expected a percentage of at most 100%, such as 30%, not '120%'"),
        ("loss", {"loss": "0%"}, "params.loss: expected above 0%, not 0%"),
        ("cpu", {"cpu": "0%"}, "params.cpu: expected at least 1%, not 0%"),
        ("bandwidth", {"rate": "1kbit"}, "params.rate: expected at least 8kbit, not 1kbit"),
        ("memory", {"limit": "1KiB"}, "params.limit: expected at least 6144KiB, not 1KiB"),
    ],
)
def test_a_bad_parameter_is_told_in_the_unit_that_it_is_written_in(
    kind: str, params: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        check_params(FAULTS[kind], params)
    assert refused.value.detail == told
    assert refused.value.possible == sorted(FAULTS[kind].params.model_fields)


def test_a_fault_without_parameters_says_so() -> None:
    with pytest.raises(BadRequestError) as refused:
        check_params(FAULTS["kill"], {"x": 1})
    assert (refused.value.detail, refused.value.possible) == (
        "params.x: there is no such field",
        ["kill without parameters"],
    )
