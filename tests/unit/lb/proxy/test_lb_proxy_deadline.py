from __future__ import annotations

from typing import Any, cast

from lb.proxy.data_plane import DataPlane


def test_the_deadline_line_is_that_of_its_millisecond_also_after_the_wall_clock_was_set() -> None:
    plane = DataPlane(cast(Any, None), lambda: 5.0, cast(Any, None), soon=lambda callback: None)
    plane.unix_offset = 1_000.0
    assert plane.deadline_line(6.0252) == b"X-Deadline: 1006.025\r\n"
    assert plane.deadline_line(6.0257) == b"X-Deadline: 1006.025\r\n"
    assert plane.deadline_line(6.0262) == b"X-Deadline: 1006.026\r\n"
    plane.unix_offset = 2_000.0
    assert plane.deadline_line(6.0262) == b"X-Deadline: 2006.026\r\n"
