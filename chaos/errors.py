"""Everything that can go wrong, each with its HTTP status and the word that a client can match on.

ChaosError                      500
├── BadRequestError             422   kind, duration, parameter or selection
├── UnauthorizedError           401
├── ForbiddenOriginError        403
├── TooDeepError                400   a body's lists and objects within each other
├── TooLargeError               413   a body
├── LateError                   408   a head or a body
├── TooManyError                503   connections or event streams are open
├── UnknownTargetError          404   also: a container that is not this lab's
├── UnknownFaultError           404
├── UnknownMonkeyError          404
├── ConflictError               409
│   ├── LastHealthyBackendError 409
│   ├── AmbiguousTargetError    409   two containers claim one name
│   ├── NotRunningError         409   a target that is not up cannot be faulted
│   ├── UnreachableTargetError  409   no address, or no route to it
│   ├── StopConditionMetError   409
│   └── MonkeyRunsError         409   one at a time
├── NotPossibleError            422   this host or runtime cannot do it
├── InjectionFailedError        502   tried, and undone
└── RuntimeUnavailableError     503   Docker or the supervisor does not answer
    ├── NoAddressError          503   not running, so nowhere to ask it
    └── TargetGoneError         503   removed in between; while healing, that is the end of the fault
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ChaosError(Exception):
    """Base of all errors of the chaos service; `possible` lists what would have worked."""

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
        """Fields that go with it: RFC 9110 §15.5.2 has a 401 say how to do better."""
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


class BadRequestError(ChaosError):
    """The request asks for something that does not exist or is out of bounds."""

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
    """The body's lists and objects are within each other too often."""

    status = 400
    code = "too_deep"


class TooLargeError(ChaosError):
    """The body has more bytes than any call needs."""

    status = 413
    code = "too_large"


class LateError(ChaosError):
    """A request was not complete in time."""

    status = 408
    code = "late"


class TooManyError(ChaosError):
    """So many of these are open already."""

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
    """Another fault on the same target stands in the way."""

    status = 409
    code = "conflict"


class LastHealthyBackendError(ConflictError):
    """Nobody would be left to answer; `allow_last` overrides."""

    code = "last_healthy_backend"


class AmbiguousTargetError(ConflictError):
    """Several containers claim the name of one target, and none of them is the current one."""

    code = "ambiguous_target"


class NotRunningError(ConflictError):
    """The target is down or frozen already: what would be seen is not this fault."""

    code = "not_running"


class UnreachableTargetError(ConflictError):
    """The target runs but cannot be reached directly, so no fault on it could be verified."""

    code = "unreachable"


class StopConditionMetError(ConflictError):
    """It would be aborted at once."""

    code = "stop_condition_met"


class MonkeyRunsError(ConflictError):
    """Another monkey is at work; together they would exceed what either was allowed."""

    code = "monkey_runs"


class NotPossibleError(ChaosError):
    """This host or runtime has no mechanism for the fault."""

    status = 422
    code = "not_possible"


class InjectionFailedError(ChaosError):
    """The mechanism failed; whatever it had done is undone."""

    status = 502
    code = "injection_failed"


class RuntimeUnavailableError(ChaosError):
    """Docker or the local supervisor does not answer."""

    status = 503
    code = "runtime_unavailable"


class TargetGoneError(RuntimeUnavailableError):
    """The target was removed since it was looked up."""

    code = "target_gone"


class NoAddressError(RuntimeUnavailableError):
    """The target has no address at present."""

    code = "no_address"
