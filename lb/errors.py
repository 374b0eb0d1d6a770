"""What can go wrong in the shell, each with the exit code or HTTP status that it means."""

from __future__ import annotations

import errno
from collections.abc import Sequence

_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Out of file descriptors (ours, the machine's), buffers, memory, local ports: connect(2), socket(2)."""


def is_our_own(error: OSError) -> bool:
    """Whether a connection failed for want of something on this side, which says nothing about the backend."""
    return error.errno in _OUR_OWN


class LbError(Exception):
    """Root of the balancer's own errors."""


class StartError(LbError):
    """The balancer cannot start. Every line of the message goes to stderr, then the process exits."""

    exit_code = 255


class ConfigError(StartError):
    """The configuration makes no sense: one line for each problem, all of them at once."""

    exit_code = 254

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class FixedKeyError(ConfigError):
    """A reload would change what only a restart can: one line for each key."""


class EnvironmentUnfitError(StartError):
    """The configuration is fine and this machine cannot honour it: port taken, address not ours."""


class AdminError(LbError):
    """An admin call that is refused: answered with `status` and `{"error": code, "detail": …}`."""

    status = 400
    code = "bad_request"


class BadRequestError(AdminError):
    """What was sent is not worth parsing."""


class ForbiddenError(AdminError):
    """A page of another site has sent the request, or could have."""

    status = 403
    code = "forbidden"


class TooLargeError(AdminError):
    """The body is longer than any that makes sense."""

    status = 413
    code = "too_large"


class UnauthorizedError(AdminError):
    """A change without the token that it needs."""

    status = 401
    code = "unauthorized"


class UnknownBackendError(AdminError):
    """No backend has this id."""

    status = 404
    code = "unknown_backend"


class ConflictError(AdminError):
    """The change contradicts what is: the id is taken, or nobody would be left to serve."""

    status = 409
    code = "conflict"


class TooManyError(AdminError):
    """So many of these are open already."""

    status = 503
    code = "too_many"


class InvalidError(AdminError):
    """The call itself makes no sense; the detail names the field."""

    status = 422
    code = "invalid"
