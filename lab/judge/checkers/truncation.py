"""Was any answer truncated in a way that its client could not detect?

A detectable truncation (fewer bytes than announced, no last chunk) is an `unknown` outcome, which other checkers count.
This checker looks at responses that seemed complete, for paths whose body has a known length. The lab's own backends
have such paths; of another application, no length is known.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from ...evidence.history import Outcome
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "truncation"
FAILS_WHEN = "an answer that looked complete has fewer or more bytes than `/work?bytes=` or `/stream` must give"
UNKNOWN_WHEN = ""
_STREAM_DEFAULTS = ("10", "1024")
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Compare the size of each seemingly complete answer with the size that its path determines."""
    own, foreign = (
        {kind.path for kind in run.plan.load.mix if kind.method == "GET" and (kind.exchange is None) is ours}
        for ours in (True, False)
    )
    unknown = foreign - own
    sized = [
        (request, wanted)
        for request in run.history.requests
        if request.outcome is Outcome.OK and request.method == "GET" and request.size is not None
        if request.path not in unknown
        if (wanted := expected_size(request.path)) is not None
    ]
    if not sized:
        return Check.not_asserted(NAME, "the load requests no answer of known length")
    wrong = [(request, wanted) for request, wanted in sized if request.size != wanted]
    if wrong:
        examples = "; ".join(
            f"#{request.id} at {request.due:.3f} s by {request.backend}: {request.size} of {wanted} bytes"
            for request, wanted in wrong[:_SHOWN]
        )
        return Check(NAME, Verdict.FAIL, f"{len(wrong)} answers of wrong length looked complete: {examples}")
    return Check(NAME, Verdict.PASS, f"{len(sized)} answers of known length, all complete")


@lru_cache(maxsize=1024)
def expected_size(path: str) -> int | None:
    """Return the bytes of a good response body (docs/interfaces.md), or None if the path does not determine them."""
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
