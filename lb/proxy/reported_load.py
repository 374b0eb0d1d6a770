"""What a backend says of its load beside an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.load_weights import report_in_header

if TYPE_CHECKING:
    from ..core.backend import Backend
    from .data_plane import Plane
    from .response_framing import Answer


def note_load(plane: Plane, backend: Backend, answer: Answer, now: float) -> None:
    """Tell the core what `X-Load` says, where there is one."""
    for _, lower, value in answer.fields:
        if lower == b"x-load":
            report = report_in_header(value.decode("latin-1"))
            if report is not None:
                plane.balancer.reported(backend, report, now)
            return
