"""All errors of the balancer, each with its exit code or HTTP status."""

from __future__ import annotations

import errno
from collections.abc import Sequence

_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Errors of connect(2) and socket(2) when this process or host is out of file descriptors, buffers, memory or local
ports."""


def is_our_own(error: OSError) -> bool:
    """Return whether a connection failed because this host lacks a resource, and not because of the backend."""
    return error.errno in _OUR_OWN


class LbError(Exception):
    """Base class of the balancer's errors."""


class StartError(LbError):
    """The balancer cannot start. Each line of the message goes to stderr, then the process exits with `exit_code`."""

    exit_code = 255


class ConfigError(StartError):
    """The configuration is invalid. The message has one line for each problem."""

    exit_code = 254

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class FixedKeyError(ConfigError):
    """A reload would change keys that only a restart can change. The message has one line for each key."""


class EnvironmentUnfitError(StartError):
    """The configuration is valid but not possible on this host: a port is in use, or an address is not local."""


class AdminError(LbError):
    """An admin request is refused. The response has `status` and the body `{"error": code, "detail": …}`."""

    status = 400
    code = "bad_request"


class BadRequestError(AdminError):
    """The request cannot be parsed."""


class ForbiddenError(AdminError):
    """The request comes, or may come, from a page of another site."""

    status = 403
    code = "forbidden"


class LateError(AdminError):
    """The request was not complete in time. The connection is closed."""

    status = 408
    code = "late"


class TooLargeError(AdminError):
    """The body is longer than any valid body."""

    status = 413
    code = "too_large"


class UnauthorizedError(AdminError):
    """The change requires a token."""

    status = 401
    code = "unauthorized"


class UnknownBackendError(AdminError):
    """No backend has this id."""

    status = 404
    code = "unknown_backend"


class ConflictError(AdminError):
    """The change contradicts the current state: the id is in use, or no backend would be left in service."""

    status = 409
    code = "conflict"


class TooManyError(AdminError):
    """The maximum of open connections of this kind is reached."""

    status = 503
    code = "too_many"


class InvalidError(AdminError):
    """A field of the request is invalid. The detail names it."""

    status = 422
    code = "invalid"
