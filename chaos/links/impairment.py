"""One link fault, in the form in which drivers, relay and network helper exchange it (as JSON)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Effect = Literal["delay", "loss", "corrupt", "duplicate", "reorder", "bandwidth", "blackhole", "refuse", "partition"]
"""Effects on packets. Each kind of link fault has one of them, and may have another name than its effect."""
Direction = Literal["out", "in", "both"]
Distribution = Literal["uniform", "normal", "pareto"]
LossModel = Literal["bernoulli", "gilbert-elliott"]
Mechanism = Literal["auto", "netem", "htb", "nfqueue"]

INITIAL_RTO_S = 0.2
"""Linux' minimum retransmission time-out (TCP_RTO_MIN); RFC 6298 §2.4 would round up to 1 s."""
MOST = 1e12
"""Upper limit of every number, that is 1 Tbit/s or 30,000 years. Larger ones would overflow a timer or a rate."""
CHOICES: dict[str, tuple[str, ...]] = {
    "effect": get_args(Effect),
    "direction": get_args(Direction),
    "distribution": get_args(Distribution),
    "model": get_args(LossModel),
    "mechanism": get_args(Mechanism),
}


@dataclass(frozen=True, slots=True)
class Impairment:
    """One link fault. It ends by itself `duration_s` seconds after its injection."""

    kind: str
    """Name of the fault kind. A link has at most one fault of each kind."""
    duration_s: float
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    """Share of segments lost, 0–1."""
    distribution: Distribution = "uniform"
    model: LossModel = "bernoulli"
    recovery: float = 0.25
    """Gilbert-Elliott: probability per packet that a burst of losses ends. Its inverse is the mean burst length."""
    share: float = 0.0
    """Share of packets corrupted, duplicated or sent ahead of the others, 0–1. Of `refuse`, the share of new
    connections; 0 and 1: all of them, and open ones."""
    correlation: float = 0.0
    """Correlation of each packet's random number with the previous one, 0–1 (tc-netem(8))."""
    rate_bit_s: float = 0.0
    direction: Direction = "out"
    """Direction from the target's view: `out` is the traffic that leaves it, such as answers of the service port."""
    port: int | None = None
    """None: the target's service port. 0: all ports, and protocols other than TCP too."""
    peers: tuple[str, ...] = ()
    """Addresses whose traffic is impaired; empty: all traffic."""
    mechanism: Mechanism = "auto"
    effect: Effect = ""  # type: ignore[assignment]  # `__post_init__` sets it
    """What happens to packets. The default is the effect with the same name as the kind."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "effect", self.effect or self.kind)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}")
        if self.duration_s <= 0 or min(self.delay_s, self.jitter_s, self.rate_bit_s) < 0:
            raise ValueError("duration_s must be positive; delay_s, jitter_s and rate_bit_s not negative")
        if not all(0 <= share <= 1 for share in (self.loss, self.share, self.correlation, self.recovery)):
            raise ValueError("loss, share, correlation and recovery must be within 0–1")

    @classmethod
    def from_json(cls, body: object) -> Impairment:
        """Read the JSON object of a request. Raise ValueError on anything unexpected."""
        if not isinstance(body, dict):
            raise ValueError("expected a JSON object")
        for name, value in body.items():
            _check_type(name, value)
        try:
            given: dict[str, Any] = dict(body)
            return cls(**(given | ({"peers": tuple(given["peers"])} if "peers" in given else {})))
        except TypeError as error:
            raise ValueError(str(error)) from error

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that `from_json` reads."""
        return asdict(self)

    @property
    def is_partial(self) -> bool:
        """Return whether a `refuse` affects only some of the new connections, and no open one."""
        return 0 < self.share < 1

    @property
    def scope(self) -> tuple[object, ...]:
        """Return which packets it acts on, as a comparable value."""
        return self.direction, self.port, self.peers


_NAMES = frozenset(field.name for field in fields(Impairment))


def _check_type(name: str, value: object) -> None:
    if name not in _NAMES:
        raise ValueError(f"there is no field {name!r}")
    if name == "peers":
        if not isinstance(value, list | tuple) or not all(isinstance(peer, str) for peer in value):
            raise ValueError("peers must be a list of addresses")
    elif name == "port":
        if isinstance(value, bool) or not isinstance(value, int | None):
            raise ValueError("port must be a port number or null")
    elif name == "kind" or name in CHOICES:
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a string")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("all other fields are numbers, times in seconds")
    elif not abs(value) <= MOST:  # also refuses NaN, which would break the order of the timers
        raise ValueError(f"{name} must be a number of at most {MOST:g}")
