"""What a link fault does to the bytes of a connection. Pure: the random source is an argument."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Literal, get_args

Kind = Literal["delay", "loss", "blackhole", "refuse"]

INITIAL_RTO_S = 0.2
"""Linux' minimum retransmission time-out (TCP_RTO_MIN); RFC 6298 §2.4 would round up to 1 s."""
MAX_BACKOFFS = 6
"""A segment lost more often in a row than this has stalled for 12.6 s: longer tells nothing new."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """One link fault; it ends by itself `duration_s` seconds after it was put in place."""

    kind: Kind
    duration_s: float
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    """Share of segments lost, 0–1."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}")
        if self.duration_s <= 0 or self.delay_s < 0 or self.jitter_s < 0 or not 0 <= self.loss <= 1:
            raise ValueError("duration_s must be positive, delay_s and jitter_s not negative, loss within 0–1")

    @classmethod
    def from_json(cls, body: object) -> Impairment:
        """Read the control API's body. Raises ValueError on anything unexpected."""
        if not isinstance(body, dict):
            raise ValueError("expected a JSON object")
        numbers = {key: value for key, value in body.items() if key != "kind"}
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in numbers.values()):
            raise ValueError("all fields but `kind` are numbers, times in seconds")
        try:
            return cls(**body)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def to_json(self) -> dict[str, Any]:
        """The form that `from_json` reads."""
        return asdict(self)

    def hold_answer(self, rng: Random) -> float:
        """How long (seconds) a chunk from the backend is held back; infinite means: while the fault lasts."""
        match self.kind:
            case "delay":
                return max(0.0, self.delay_s + self.jitter_s * rng.uniform(-1.0, 1.0))
            case "loss":
                return stall(self.loss, rng)
            case _:
                return math.inf

    def hold_request(self, rng: Random) -> float:
        """As `hold_answer`, for a chunk from the client. A delay acts on the answer's path only, like netem on the
        target's egress, so that a round trip grows by the delay and not by twice the delay."""
        return 0.0 if self.kind == "delay" else self.hold_answer(rng)


def stall(loss: float, rng: Random) -> float:
    """What a byte stream shows of packet loss: silence until the retransmission, which doubles each time it is lost
    again (RFC 6298 §5.5)."""
    lost = 0
    while lost < MAX_BACKOFFS and rng.random() < loss:
        lost += 1
    return INITIAL_RTO_S * ((1 << lost) - 1)
