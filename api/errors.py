"""Errors of a replica, each with its exit code or HTTP status."""

from __future__ import annotations


class ApiError(Exception):
    """Root of the replica's own errors."""


class SettingsError(ApiError):
    """An environment variable makes no sense. The process prints the message and exits with 254."""

    exit_code = 254


class EnvironmentUnfitError(ApiError):
    """The settings are fine and this machine cannot honour them (port taken, folder not writable): exit 255."""

    exit_code = 255


class RefusedError(ApiError):
    """A request that is not executed: answered with `status` and `{"error": code}`."""

    status: int
    code: str


class DeadlinePassedError(RefusedError):
    """The request's `X-Deadline` is over: nobody waits for the answer, so nothing may be executed."""

    status = 504
    code = "deadline_passed"


class UnauthorizedError(RefusedError):
    """An order to misbehave without the token that it needs."""

    status = 401
    code = "unauthorized"


class MisbehaviourDisabledError(RefusedError):
    """An order to misbehave although no token is configured that would allow one."""

    status = 403
    code = "misbehave_disabled"


class LedgerError(RefusedError):
    """The ledger cannot be written (disk full): a job that is not on record must not be answered as executed."""

    status = 507
    code = "unwritable_ledger"
