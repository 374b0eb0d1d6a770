"""All errors, each with its HTTP status and its error code for clients.

ChaosError                      500
├── BadRequestError             422   kind, duration, parameter or selection
├── UnauthorizedError           401
├── ForbiddenOriginError        403
├── TooDeepError                400   a body is nested too deeply
├── TooLargeError               413   a body is too long
├── LateError                   408   a head or a body is not complete in time
├── TooManyError                503   too many connections or event streams are open
├── UnknownTargetError          404   also: a container of another lab
├── UnknownFaultError           404
├── UnknownMonkeyError          404
├── ConflictError               409
│   ├── LastHealthyBackendError 409
│   ├── AmbiguousTargetError    409   several containers have one name
│   ├── NotRunningError         409   the target is down or frozen
│   ├── UnreachableTargetError  409   no address, or no route to it
│   ├── UnhealthyTargetError    409   it does not answer its health check
│   ├── StopConditionMetError   409
│   └── MonkeyRunsError         409   one monkey at a time
├── NotPossibleError            422   this host or runtime has no mechanism for it
├── InjectionFailedError        502   the injection failed and was undone
└── RuntimeUnavailableError     503   Docker or the supervisor does not answer
    ├── AlreadyAttachedError    503   another chaos service injects faults into this compose project
    ├── NoTargetsError          503   a service of CHAOS_TARGETS has no container
    ├── NoAddressError          503   the target does not run, or is in no network
    └── TargetGoneError         503   the target was removed; if that happens during a heal, the fault is healed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ChaosError(Exception):
    """Base of all errors of the chaos service. `possible` lists valid alternatives."""

    status = 500
    code = "internal"

    def __init__(self, detail: str, possible: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.possible = list(possible)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON body of an error response (docs/interfaces.md)."""
        return {"error": self.code, "detail": self.detail, "possible": self.possible}

    @property
    def headers(self) -> dict[str, str]:
        """Return the header fields of the response. RFC 9110 §15.5.2 requires WWW-Authenticate with a 401."""
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


class BadRequestError(ChaosError):
    """A value in the request does not exist or is out of bounds."""

    status = 422
    code = "bad_request"


class UnauthorizedError(ChaosError):
    """No bearer token, or the wrong one."""

    status = 401
    code = "unauthorized"


class ForbiddenOriginError(ChaosError):
    """A browser sent this on behalf of another site (or of a rebound host name)."""

    status = 403
    code = "forbidden_origin"


class TooDeepError(ChaosError):
    """The lists and objects of the body are nested too deeply."""

    status = 400
    code = "too_deep"


class TooLargeError(ChaosError):
    """The body is longer than any call needs."""

    status = 413
    code = "too_large"


class LateError(ChaosError):
    """A request was not complete in time."""

    status = 408
    code = "late"


class TooManyError(ChaosError):
    """The maximum of open connections or event streams is reached."""

    status = 503
    code = "too_many"


class UnknownTargetError(ChaosError):
    """No such target in this lab."""

    status = 404
    code = "unknown_target"


class UnknownFaultError(ChaosError):
    """No fault with this id."""

    status = 404
    code = "unknown_fault"


class UnknownMonkeyError(ChaosError):
    """No monkey with this id."""

    status = 404
    code = "unknown_monkey"


class ConflictError(ChaosError):
    """The order conflicts with another fault or with the state of the lab."""

    status = 409
    code = "conflict"


class LastHealthyBackendError(ConflictError):
    """No healthy backend would be left. The order can allow that with `allow_last`."""

    code = "last_healthy_backend"


class AmbiguousTargetError(ConflictError):
    """Several containers have the name of one target, and it cannot be told which one is current."""

    code = "ambiguous_target"


class NotRunningError(ConflictError):
    """The target is already down or frozen, so the effect of this fault could not be measured."""

    code = "not_running"


class UnreachableTargetError(ConflictError):
    """The target runs but cannot be reached directly, so no fault on it could be verified."""

    code = "unreachable"


class UnhealthyTargetError(ConflictError):
    """The target does not answer its health check, so neither a fault on it nor its end could be measured."""

    code = "unhealthy"


class StopConditionMetError(ConflictError):
    """The stop condition already holds, so the fault would be healed at once."""

    code = "stop_condition_met"


class MonkeyRunsError(ConflictError):
    """Another monkey runs. Two together would exceed the budget of each."""

    code = "monkey_runs"


class NotPossibleError(ChaosError):
    """This host or runtime has no mechanism for the fault."""

    status = 422
    code = "not_possible"


class InjectionFailedError(ChaosError):
    """The injection failed; its partial effects were undone."""

    status = 502
    code = "injection_failed"


class RuntimeUnavailableError(ChaosError):
    """Docker or the local supervisor does not answer."""

    status = 503
    code = "runtime_unavailable"


class AlreadyAttachedError(RuntimeUnavailableError):
    """Another chaos service already injects faults into this compose project. This one waits until that one ends."""

    code = "already_attached"


class NoTargetsError(RuntimeUnavailableError):
    """A service of CHAOS_TARGETS has no container."""

    code = "no_targets"


class TargetGoneError(RuntimeUnavailableError):
    """The target was removed since it was looked up."""

    code = "target_gone"


class NoAddressError(RuntimeUnavailableError):
    """The target has no address at present."""

    code = "no_address"
