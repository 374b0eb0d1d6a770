"""Was any answer cut short without its client being able to tell?

A cut that shows (fewer bytes than announced, no last chunk) is an `unknown` outcome and a matter for other checkers.
This one looks at answers that seemed whole: of some paths the load knows how long the body has to be.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from ...evidence.history import Outcome
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "truncation"
_STREAM_DEFAULTS = ("10", "1024")
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Fails for every answer that looked complete and was not."""
    told = [
        (request, wanted)
        for request in run.history.requests
        if request.outcome is Outcome.OK and request.method == "GET" and request.size is not None
        if (wanted := expected_size(request.path)) is not None
    ]
    if not told:
        return Check.not_asserted(NAME, "the load asks for no answer of known length")
    wrong = [(request, wanted) for request, wanted in told if request.size != wanted]
    if wrong:
        examples = "; ".join(
            f"#{request.id} at {request.due:.3f} s by {request.backend}: {request.size} of {wanted} bytes"
            for request, wanted in wrong[:_SHOWN]
        )
        return Check(NAME, Verdict.FAIL, f"{len(wrong)} answers of wrong length looked whole: {examples}")
    return Check(NAME, Verdict.PASS, f"{len(told)} answers of known length, every one of them whole")


@lru_cache(maxsize=1024)
def expected_size(path: str) -> int | None:
    """Bytes of a good answer's body by docs/interfaces.md; None where the path does not determine them."""
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    if parts.path == "/work" and "bytes" in query:
        return int(query["bytes"][0])
    if parts.path == "/stream":
        chunks, size = (
            query.get(name, [default])[0] for name, default in zip(("chunks", "bytes"), _STREAM_DEFAULTS, strict=True)
        )
        return int(chunks) * int(size)
    return None
