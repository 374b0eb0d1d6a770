"""Errors of a replica, each with its exit code or HTTP status."""

from __future__ import annotations


class ApiError(Exception):
    """Base of the replica's errors."""


class SettingsError(ApiError):
    """An environment variable or argument is invalid. The process prints the message and exits with 254."""

    exit_code = 254


class EnvironmentUnfitError(ApiError):
    """The settings are valid but not possible on this host (port in use, folder not writable). Exit code 255."""

    exit_code = 255


class RefusedError(ApiError):
    """The request is not executed. The response has `status` and the body `{"error": code}`."""

    status: int
    code: str


class DeadlinePassedError(RefusedError):
    """The request's `X-Deadline` has passed. The client no longer waits for it, so it must not be executed."""

    status = 504
    code = "deadline_passed"


class UnauthorizedError(RefusedError):
    """An order to misbehave has no token or the wrong one."""

    status = 401
    code = "unauthorized"


class MisbehaviourDisabledError(RefusedError):
    """An order to misbehave is refused because the replica has no token configured."""

    status = 403
    code = "misbehave_disabled"


class LedgerError(RefusedError):
    """The ledger cannot be written (disk full). A job that is not in the ledger must not be acknowledged."""

    status = 507
    code = "unwritable_ledger"
