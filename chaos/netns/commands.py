"""Runs tc and iptables with a time-out, and reports their failures in one line."""

from __future__ import annotations

import subprocess

TIMEOUT_S = 5.0


class CommandError(Exception):
    """A command failed. The message contains the first line of its output."""


def run(*command: str) -> str:
    """Run a command and return its output. Raise CommandError if it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise CommandError(f"{' '.join(command)}: {complaint[0]}")
    return done.stdout


def works(*command: str) -> bool:
    """Run a command and return whether it succeeded."""
    try:
        run(*command)
    except CommandError:
        return False
    return True
