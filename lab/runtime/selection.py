"""Chooses a runtime by its name.

A runtime's module is imported when it is chosen, because all of them together take a quarter of a second, and every
command imports this module.
"""

from __future__ import annotations

import shlex
import shutil
from enum import StrEnum
from typing import TYPE_CHECKING

from ..errors import BadArgumentsError
from . import Runtime, ports
from .attached import find_file
from .docker_lab import DEFAULT_PROJECT, DockerRuntime
from .state_folder import state_root

if TYPE_CHECKING:
    from .attached.lab_file import Found


class RuntimeName(StrEnum):
    """Names of the runtimes."""

    LOCAL = "local"
    DOCKER = "docker"
    ATTACHED = "attached"
    """A compose project of the user, described by `lab.yaml`."""


def runtime(name: RuntimeName, project: str = DEFAULT_PROJECT, balancer_cmd: str | None = None) -> Runtime:
    """Return the runtime of that name.

    Raise `BadArgumentsError` if a port in the environment is invalid or the balancer's command cannot be used.
    """
    for published in ports.PUBLISHED:
        ports.wanted(published)
    if balancer_cmd is None:
        match name:
            case RuntimeName.LOCAL:
                from .local_lab import LocalRuntime

                return LocalRuntime(state_root())
            case RuntimeName.DOCKER:
                return DockerRuntime(project)
            case RuntimeName.ATTACHED:
                from .attached.attached_lab import AttachedRuntime

                return AttachedRuntime(attached_lab_file())
    if name is RuntimeName.ATTACHED:
        raise BadArgumentsError("--balancer-cmd is for --runtime local", "on an attached project, change its services")
    if name is not RuntimeName.LOCAL:
        raise BadArgumentsError("--balancer-cmd is for --runtime local", "on docker, change the image in compose.yaml")
    from .local_lab import LocalRuntime

    lab = LocalRuntime(state_root(), balancer_command=_command(balancer_cmd))
    if lab.find() is not None:
        raise BadArgumentsError("--balancer-cmd cannot change the balancer of the running lab", "lab down")
    return lab


def attached_lab_file() -> Found:
    """Return the lab file that names the attached project. Raise `BadArgumentsError` if there is none."""
    path = find_file()
    if path is None:
        raise BadArgumentsError(
            "there is no lab.yaml here",
            "lab attach --compose FILE --traffic URL --backends SERVICE, or --lab-file FILE",
        )
    from .attached.lab_file import load_lab_file

    return load_lab_file(path)


def searched(name: RuntimeName | None) -> list[RuntimeName]:
    """Return the runtimes on which a command looks for a running lab, in order; the first one is its default.

    With a lab file, that is the attached project only. Raise `BadArgumentsError` if the file that is named is missing.
    """
    if name is not None:
        return [name]
    return [RuntimeName.LOCAL, RuntimeName.DOCKER] if find_file() is None else [RuntimeName.ATTACHED]


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadArgumentsError(f"--balancer-cmd {text!r} is not a command: {error}", "quote as for a shell") from error
    if not words or shutil.which(words[0]) is None:
        raise BadArgumentsError(f"--balancer-cmd {text!r}: expected an executable program", "check its path")
    return words
